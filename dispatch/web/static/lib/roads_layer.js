// Roads as lines: Mapbox vector tiles of the routing engine's own graph, drawn on canvas.

import { VectorTile } from "@mapbox/vector-tile";
import { PbfReader } from "pbf";

const L = globalThis.L;
const SIDE_PX = 256;
const MOST_TILES = 96;
// By road class, 0 the motorway: how wide at zoom 14, and from which zoom on.
const WIDTHS_PX = [4, 3.5, 3, 2.6, 2.2, 1.6, 1.4, 1];
const LARGE_CLASSES = 4;

/** A layer of `{url, min_zoom, max_zoom}` as GET /v1/map tells; `colour` names colours of base.css. */
export const RoadsLayer = L.GridLayer.extend({
  initialize(roads, colour) {
    L.GridLayer.prototype.initialize.call(this, { minZoom: roads.min_zoom, updateWhenIdle: false, keepBuffer: 1 });
    this._roads = roads;
    this._colour = colour;
    this._tilesRead = new Map();
  },

  createTile(at, done) {
    const ratio = Math.min(2, globalThis.devicePixelRatio ?? 1);
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE_PX * ratio;
    // Closer than tiles go, a part of one is drawn larger.
    const closer = Math.max(0, at.z - this._roads.max_zoom);
    const parent = { z: at.z - closer, x: at.x >> closer, y: at.y >> closer };
    this._read(parent).then(
      (roads) => {
        this._draw(canvas.getContext("2d"), roads, at, closer, ratio);
        done(null, canvas);
      },
      (error) => done(error, canvas),
    );
    return canvas;
  },

  _draw(context, roads, at, closer, ratio) {
    const scale = (SIDE_PX * ratio * 2 ** closer) / roads.extent;
    const side = SIDE_PX * ratio;
    const east = (at.x - ((at.x >> closer) << closer)) * side;
    const south = (at.y - ((at.y >> closer) << closer)) * side;
    context.setTransform(scale, 0, 0, scale, -east, -south);
    context.lineCap = context.lineJoin = "round";
    const wider = 1.35 ** Math.max(-3, Math.min(4, at.z - 14));
    for (let i = roads.paths.length - 1; i >= 0; i -= 1) {
      if (roads.paths[i] === undefined) continue;
      context.strokeStyle = this._colour(i < LARGE_CLASSES ? "road-large" : "road-small");
      context.lineWidth = ((WIDTHS_PX[i] ?? 1) * wider * ratio) / scale;
      context.stroke(roads.paths[i]);
    }
  },

  /** The roads of a tile, read once: `{extent, paths}`, a Path2D for each road class. */
  _read({ z, x, y }) {
    const key = `${z}/${x}/${y}`;
    let roads = this._tilesRead.get(key);
    if (roads === undefined) {
      roads = fetchRoads(this._roads.url.replace("{z}", z).replace("{x}", x).replace("{y}", y));
      roads.catch(() => this._tilesRead.delete(key));
    }
    // The last ones that were asked for are kept.
    this._tilesRead.delete(key);
    this._tilesRead.set(key, roads);
    if (this._tilesRead.size > MOST_TILES) this._tilesRead.delete(this._tilesRead.keys().next().value);
    return roads;
  },
});

async function fetchRoads(url) {
  // What the page says comes first: there are many tiles, and few connections.
  const answer = await fetch(url, { priority: "low" });
  if (answer.status === 204) return { extent: 4096, paths: [] };
  if (!answer.ok) throw new Error(`roads: ${answer.status}`);
  const edges = new VectorTile(new PbfReader(await answer.arrayBuffer())).layers.edges;
  const paths = [];
  for (let i = 0; i < (edges?.length ?? 0); i += 1) {
    const edge = edges.feature(i);
    const path = (paths[edge.properties.road_class ?? 7] ??= new Path2D());
    for (const line of edge.loadGeometry()) {
      path.moveTo(line[0].x, line[0].y);
      for (let n = 1; n < line.length; n += 1) path.lineTo(line[n].x, line[n].y);
    }
  }
  return { extent: edges?.extent ?? 4096, paths };
}
