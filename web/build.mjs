// Bundles the page: node build.mjs OUT. Files carry a hash of their content in their names, so a browser may keep them forever.
// node build.mjs --tests OUT bundles the tests of the pure parts for node's own runner.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const kTarget = ["chrome105", "firefox113", "safari16"];

async function bundle(options) {
  const result = await build({
    absWorkingDir: root, bundle: true, minify: true, write: false, outdir: "out", target: kTarget, charset: "utf8", legalComments: "none",
    logLevel: "warning", ...options,
  });
  return result.outputFiles;
}

async function page(out) {
  const assets = join(out, "assets");
  await rm(out, { recursive: true, force: true });
  await mkdir(assets, { recursive: true });
  const put = async (name, ending, bytes) => {
    const file = `${name}-${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}.${ending}`;
    await writeFile(join(assets, file), bytes);
    return `/assets/${file}`;
  };
  const [worker] = await bundle({ entryPoints: ["src/worker.ts"], format: "iife" });
  const worker_path = await put("worker", "js", worker.contents);
  const files = await bundle({ entryPoints: ["src/main.ts"], format: "esm", define: { WORKER_PATH: JSON.stringify(worker_path) } });
  const of = (ending) => files.find((file) => file.path.endsWith(ending)).contents;
  const paths = {
    icon: await put("icon", "svg", await readFile(join(root, "src/icon.svg"))),
    style: await put("page", "css", of(".css")),
    script: await put("page", "js", of(".js")),
  };
  const html = await readFile(join(root, "index.html"), "utf8");
  await writeFile(join(out, "index.html"), html.replace(/\{\{(\w+)\}\}/g, (_, name) => paths[name]));
}

async function tests(out) {
  await rm(out, { recursive: true, force: true });
  const names = (await readdir(join(root, "test"))).filter((name) => name.endsWith(".test.ts"));
  await build({
    absWorkingDir: root, entryPoints: names.map((name) => `test/${name}`), bundle: true, platform: "node", format: "esm", target: "node18",
    outdir: out, outExtension: { ".js": ".mjs" }, sourcemap: "inline", logLevel: "warning",
  });
}

const [first, second] = process.argv.slice(2);
if (!first || (first === "--tests" && !second)) throw new Error("usage: node build.mjs [--tests] OUT");
await (first === "--tests" ? tests(second) : page(first));
