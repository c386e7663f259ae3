// What pages do beyond HTML: they all work without it.
import { offerCopying } from "./copy.js";
import { keepLive } from "./live.js";
import { keepSubmitsSingle } from "./submit.js";

offerCopying(document);
keepSubmitsSingle(document);
keepLive(document);
