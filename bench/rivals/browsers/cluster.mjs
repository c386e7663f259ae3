// puppeteer-cluster with a fresh context per page: cluster.mjs URL SHELL SECONDS IN_FLIGHT [CHROME_SWITCH ...]
import { Cluster } from "puppeteer-cluster";
import puppeteer from "puppeteer-core";
import { createInterface } from "node:readline";

const [url, shell, seconds, inFlight, ...switches] = process.argv.slice(2);
const FIELDS = () => ({
  name: document.querySelector("#product h1").textContent,
  brand: document.querySelector("#product .brand").textContent,
  price: document.querySelector("#product .price").textContent,
  stock: document.querySelector("#product .stock").textContent,
  data: JSON.parse(document.querySelector('script[type="application/ld+json"]').textContent).name,
});
const cluster = await Cluster.launch({
  puppeteer,
  concurrency: Cluster.CONCURRENCY_CONTEXT,
  maxConcurrency: Number(inFlight),
  puppeteerOptions: { executablePath: shell, headless: "shell", args: ["--no-sandbox", ...switches] },
});
let seen = 0;
let ends = Infinity;
await cluster.task(async ({ page }) => {
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.waitForSelector("#product .price");
  const read = await page.evaluate(FIELDS);
  if (read.price !== "$24.99" || read.data !== "Bench kettle") throw new Error(JSON.stringify(read));
  if (performance.now() < ends) seen += 1;
});
const view = () => cluster.execute({});
await Promise.all([view(), view()]);
console.log("ready");
await new Promise((go) => createInterface({ input: process.stdin }).once("line", go));
const started = performance.now();
ends = started + Number(seconds) * 1000;
await Promise.all(
  Array.from({ length: Number(inFlight) }, async () => {
    while (performance.now() < ends) await view();
  }),
);
console.log(JSON.stringify({ pages: seen, seconds: Number(seconds) }));
await cluster.close();
process.exit(0);
