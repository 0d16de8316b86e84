// Names of stores, which quotes tell by their ids where they pass them over.

import { get } from "../lib/api.js";
import { state } from "./state.js";

const MOST = 200;
const RADIUS_M = 20_000;

/** The names of the stores around the door, by store id; an empty map when they cannot be had. */
export async function namesAround(signal) {
  const query = { ...state.door, datum: state.datum, radius_m: RADIUS_M, limit: MOST, fields: "store_id,name" };
  try {
    const { stores } = await get("/v1/stores/nearby", query, { signal });
    return new Map(stores.filter((store) => store.name !== null).map((store) => [store.store_id, store.name]));
  } catch {
    return new Map();
  }
}
