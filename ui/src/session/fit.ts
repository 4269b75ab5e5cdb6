/** Where a picture lies in its frame when it is shown whole. Pure. */
export function fitted(width: number, height: number, w: number, h: number): { left: number; top: number; width: number; height: number } {
  const scale = Math.min(width / Math.max(1, w), height / Math.max(1, h));
  const fit = { width: w * scale, height: h * scale };
  return { left: (width - fit.width) / 2, top: (height - fit.height) / 2, ...fit };
}
