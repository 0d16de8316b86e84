import { topBar } from "../lib/parts.js";

document.body.append(topBar("lifecircle"));
