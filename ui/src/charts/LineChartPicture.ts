import type { EChartsType } from "./echarts";
import type { LineSeries } from "./lineSeries";
import type { Inks } from "./palette";

const SCALE = 2;
const ROW = 18;

/** The chart with its name and legend as a PNG. */
export async function picture(
  chart: EChartsType,
  label: string,
  series: readonly (LineSeries & { ink: string })[],
  inks: Inks,
): Promise<Blob> {
  const drawn = chart.renderToCanvas({ pixelRatio: SCALE, backgroundColor: inks.surface });
  const named = series.length > 1 ? series.slice(0, 40) : [];
  const width = drawn.width;
  const canvas = document.createElement("canvas");
  const brush = canvas.getContext("2d");
  if (!brush) throw new Error("This browser cannot draw the picture.");
  const font = `${11 * SCALE}px ${getComputedStyle(document.body).fontFamily}`;
  brush.font = font;
  // First where each name goes, for the height.
  const places: { at: number; row: number; name: string; ink: string }[] = [];
  let at = 12 * SCALE;
  let row = 0;
  for (const each of named) {
    const name = each.name.length > 60 ? `${each.name.slice(0, 59)}…` : each.name;
    const room = brush.measureText(name).width + 34 * SCALE;
    if (at + room > width && at > 12 * SCALE) {
      at = 12 * SCALE;
      row++;
    }
    places.push({ at, row, name, ink: each.ink });
    at += room;
  }
  const head = 24 * SCALE;
  canvas.width = width;
  canvas.height = head + drawn.height + (named.length ? (row + 1) * ROW * SCALE + 6 * SCALE : 0);
  brush.fillStyle = inks.surface;
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.textBaseline = "middle";
  brush.fillStyle = inks.text;
  brush.font = `600 ${font}`;
  brush.fillText(label.slice(0, 120), 12 * SCALE, head / 2 + 2 * SCALE);
  brush.drawImage(drawn, 0, head);
  brush.font = font;
  for (const each of places) {
    const y = head + drawn.height + (each.row + 0.5) * ROW * SCALE;
    brush.fillStyle = each.ink;
    brush.fillRect(each.at, y - SCALE, 14 * SCALE, 2 * SCALE);
    brush.fillStyle = inks.text;
    brush.fillText(each.name, each.at + 20 * SCALE, y);
  }
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture is too large."))), "image/png");
  });
}
