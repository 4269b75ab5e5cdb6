/**
 * Pictures and a playback stream for the fake server: drawn by ffmpeg at start, into a temporary folder.
 *
 * The stream is one encoding with a fragment each 0.8 s. Its boxes are walked here, so that segments and fragments
 * are ranges of real bytes with the times that stand in them.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FRAGMENT_S = 0.8;
const FPS = 10;
const SEGMENT_FRAGMENTS = 10;
export const STREAM_S = 96;

const MONO = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf";

export const SCREENS = [
  { dark: true, lines: ["~/importer $ make nightly DATE=2026-11-18", "INFO  batch 118/402 ok in 0.41 s", "INFO  batch 119/402 ok in 0.39 s", "WARN  batch 120/402 slow: 27.6 s", "ERROR canceling statement due to lock timeout", "ERROR   while locking tuple (12,7) in relation ledger", "INFO  retry 1 of 5 in 2.0 s", "INFO  batch 120/402 ok in 49.8 s", "~/importer $"] },
  { dark: true, lines: ["def test_link_uses_index(db, explain):", "    seed(db, ledger=200_000)", "    plan = explain(LINK_SQL, ids=[1, 2, 3])", "    assert plan.uses('ledger_source_key_idx')", "    assert plan.seq_scans == []", "", "def test_import_survives_a_held_lock(db):", "    with held_lock(db, 'ledger'):", "        result = import_batch(db, rows(10))"] },
  { dark: false, lines: ["Lock management", "", "The limit applies to each attempt on its own.", "A lock timeout of zero turns the limit off,", "so a statement will wait without end.", "", "Set it for one transaction, not for all."] },
  { dark: true, lines: ["CREATE INDEX CONCURRENTLY ledger_source_key_idx", "    ON ledger (source_key);", "", "EXPLAIN SELECT b.account_id FROM staging a", "  JOIN ledger b ON b.source_key = a.source_key;", "", "Index Scan using ledger_source_key_idx"] },
  { dark: false, lines: ["Notes on Tuesday", "", "1. Batch size goes back to five hundred.", "2. Alert where a batch takes over ten seconds.", "3. Tell support that the import is fixed."] },
];

/** Draw the pictures and the stream; the folder is removed when the process ends. */
export function makeMedia() {
  const folder = mkdtempSync(join(tmpdir(), "pepys-ui-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const shots = SCREENS.map((screen, index) => drawShot(folder, screen, index));
  const file = join(folder, "stream.mp4");
  encode(folder, file);
  return { shots, ...cut(readFileSync(file)) };
}

function drawShot(folder, screen, index) {
  const text = join(folder, `shot${index}.txt`);
  const file = join(folder, `shot${index}.png`);
  writeFileSync(text, screen.lines.join("\n"));
  const ground = screen.dark ? "0x16181d" : "0xfdfdfb";
  const ink = screen.dark ? "0xc9ced8" : "0x24262b";
  const bar = screen.dark ? "0x23262d" : "0xe9e7e1";
  const words = existsSync(MONO) ? `,drawtext=fontfile=${MONO}:textfile=${text}:fontsize=26:line_spacing=14:fontcolor=${ink}:x=64:y=90:expansion=none` : "";
  const filter = `drawbox=x=0:y=0:w=iw:h=44:color=${bar}:t=fill,drawbox=x=0:y=ih-30:w=iw:h=30:color=${bar}:t=fill${words}`;
  ffmpeg(["-f", "lavfi", "-i", `color=c=${ground}:s=1280x720:d=1:r=1`, "-vf", filter, "-frames:v", "1", file]);
  return readFileSync(file);
}

function encode(folder, file) {
  const inputs = SCREENS.flatMap((_, index) => ["-loop", "1", "-framerate", String(FPS), "-t", String(STREAM_S / SCREENS.length), "-i", join(folder, `shot${index}.png`)]);
  const sound = SCREENS.length;
  const joined = SCREENS.map((_, index) => `[${index}:v]`).join("");
  const moving = `drawbox=x='mod(t*60,1200)':y=670:w=40:h=8:color=0x6ba6de:t=fill`;
  ffmpeg([
    ...inputs, "-f", "lavfi", "-i", `sine=frequency=330:sample_rate=48000:duration=${STREAM_S}`,
    "-filter_complex", `${joined}concat=n=${SCREENS.length}:v=1,${moving},format=yuv420p[v];[${sound}:a]volume=0.05[a]`,
    "-map", "[v]", "-map", "[a]", "-t", String(STREAM_S),
    "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline", "-crf", "30",
    "-g", String(FRAGMENT_S * FPS), "-keyint_min", String(FRAGMENT_S * FPS), "-sc_threshold", "0",
    "-c:a", "aac", "-b:a", "48k", "-movflags", "frag_keyframe+empty_moov+default_base_moof", file,
  ]);
}

function ffmpeg(words) {
  execFileSync("ffmpeg", ["-v", "error", "-y", ...words], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Cut the stream at its boxes: the header, and each moof with its mdat. */
function cut(bytes) {
  const parts = [];
  let header = 0;
  let start = -1;
  for (let at = 0; at + 8 <= bytes.length; at += bytes.readUInt32BE(at)) {
    const kind = bytes.toString("latin1", at + 4, at + 8);
    if (kind === "moof") {
      if (start < 0) header = at;
      start = at;
    } else if (kind === "mdat") {
      parts.push(bytes.subarray(start, at + bytes.readUInt32BE(at)));
    }
  }
  const fragments = parts.map((part, index) => ({
    bytes: part,
    start_ns: Math.round(index * FRAGMENT_S * 1e9),
    duration_ns: Math.round(FRAGMENT_S * 1e9),
  }));
  const segments = [];
  for (let index = 0; index < fragments.length; index += SEGMENT_FRAGMENTS) {
    const inside = fragments.slice(index, index + SEGMENT_FRAGMENTS);
    segments.push({
      fragments: inside,
      bytes: Buffer.concat(inside.map((one) => one.bytes)),
      start_ns: inside[0].start_ns,
      duration_ns: inside.reduce((sum, one) => sum + one.duration_ns, 0),
    });
  }
  return { init: bytes.subarray(0, header), mime: 'video/mp4; codecs="avc1.42c01f,mp4a.40.2"', segments };
}
