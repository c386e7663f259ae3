"""The usual RQ job: a full Chrome with Selenium for each product, four fields by CSS selectors, one UPDATE.

Runs in ``rq worker``'s forked work-horse, which imports this module for each job as it does by default.
"""

import pymysql
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

FIELDS = {"name": "h1", "brand": ".brand", "price": ".price", "availability": ".stock"}
TABLE = """CREATE TABLE naive_product (asin CHAR(10) PRIMARY KEY, name VARCHAR(200), brand VARCHAR(200),
price VARCHAR(40), availability VARCHAR(40), seen_at DATETIME(6))"""
SEEN = """UPDATE naive_product SET name = %s, brand = %s, price = %s, availability = %s, seen_at = UTC_TIMESTAMP(6)
WHERE asin = %s"""


def view_product(url: str, asin: str, chrome: str, driver: str, database_socket: str) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    for switch in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(switch)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        browser.get(url)
        found = [browser.find_element(By.CSS_SELECTOR, f"#product {part}").text for part in FIELDS.values()]
    finally:
        browser.quit()
    assert found[2] == "$24.99", found
    with pymysql.connect(unix_socket=database_socket, user="root", database="cartwright") as connection:
        connection.cursor().execute(SEEN, (*found, asin))
        connection.commit()
