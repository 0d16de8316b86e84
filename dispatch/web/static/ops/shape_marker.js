// Markers of several shapes on one canvas, so that thousands of them cost no elements, and colour is not all that tells them apart.

const L = globalThis.L;

const DRAW = {
  updated(context, { x, y }, r) {
    polygon(context, [[x, y - r * 1.2], [x + r * 1.2, y], [x, y + r * 1.2], [x - r * 1.2, y]]);
  },
  counted(context, { x, y }, r) {
    polygon(context, [[x - r, y - r], [x + r, y - r], [x + r, y + r], [x - r, y + r]]);
  },
  removed(context, { x, y }, r) {
    for (const side of [1, -1]) {
      context.moveTo(x - r * side, y - r);
      context.lineTo(x + r * side, y + r);
    }
  },
  created(context, { x, y }, r) {
    context.arc(x, y, r, 0, Math.PI * 2);
  },
};

// Leaflet 1.9 asks each layer to draw itself by _updatePath; the renderer fills and strokes what has been traced.
const ShapeMarker = L.CircleMarker.extend({
  _updatePath() {
    if (!this._renderer._drawing || this._empty()) return;
    const context = this._renderer._ctx;
    context.beginPath();
    (DRAW[this.options.shape] ?? DRAW.created)(context, this._point, this._radius);
    this._renderer._fillStroke(context, this);
  },
});

/** A marker; options as of L.circleMarker, and `shape`: created, updated, removed or counted. */
export function shapeMarker(at, options) {
  return new ShapeMarker(at, options);
}

function polygon(context, corners) {
  corners.forEach(([x, y], i) => (i === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  context.closePath();
}
