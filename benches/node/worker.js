'use strict';
// A worker that answers one JSON line for each JSON line it is given, and ends with its input. See docs/node.md.

const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { toText, pieces, names } = require('./pipelines.js');
const { make } = require('./stores.js');

// As in packhorse's race: keys are used again, but never while an earlier put of one may be under way.
const KEYS = 64;
const KEYS_PER_WORKER = 8;

let captures = [];
let uploads = null;

async function timed(work) {
  const cpu = process.cpuUsage();
  const begun = process.hrtime.bigint();
  const found = await work();
  const wall = Number(process.hrtime.bigint() - begun) / 1e9;
  const used = process.cpuUsage(cpu);
  return { ...found, wall_s: wall, cpu_s: (used.user + used.system) / 1e6 };
}

function versions() {
  const manifest = (name) => path.join(__dirname, 'node_modules', name, 'package.json');
  const version = (name) => JSON.parse(fs.readFileSync(manifest(name), 'utf8')).version;
  const dependencies = Object.keys(require('./package.json').dependencies);
  return { node: process.versions.node, zlib: process.versions.zlib, v8: process.versions.v8,
    packages: Object.fromEntries(dependencies.map((name) => [name, version(name)])) };
}

async function encode({ encoder, rounds }) {
  let bytes = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (const capture of captures) bytes += (await toText(encoder, capture)).length;
  }
  return { captures: rounds * captures.length, bytes_out: bytes };
}

async function encodeOnly({ encoder, rounds }) {
  let bytes = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (const capture of captures) for (const size of await pieces(encoder, capture)) bytes += size;
  }
  return { captures: rounds * captures.length, bytes_out: bytes };
}

async function upload({ encoder, count, in_flight: inFlight, prefix }) {
  const keys = Math.max(KEYS, KEYS_PER_WORKER * inFlight);
  const latencies = [];
  let next = 0;
  let bytes = 0;
  const one = async () => {
    while (next < count) {
      const number = next;
      next += 1;
      const begun = process.hrtime.bigint();
      const text = await toText(encoder, captures[number % captures.length]);
      await uploads.put(`${prefix}-${number % keys}`, text);
      latencies.push(Number(process.hrtime.bigint() - begun) / 1e9);
      bytes += text.length;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return { captures: count, bytes_out: bytes, latencies_s: latencies };
}

const COMMANDS = {
  versions: async () => ({ ...versions(), encoders: names }),
  load: async ({ files }) => {
    captures = files.map((file) => JSON.parse(fs.readFileSync(file, 'utf8')));
    return { captures: captures.length };
  },
  text: async ({ encoder, capture, file }) => {
    fs.writeFileSync(file, await toText(encoder, captures[capture]));
    return {};
  },
  pieces: async ({ encoder, capture }) => {
    const sizes = (await pieces(encoder, captures[capture])).sort((a, b) => a - b);
    return { pieces: sizes.length, bytes: sizes.reduce((a, b) => a + b, 0), median_bytes: sizes[sizes.length >> 1] };
  },
  encode: (order) => timed(() => encode(order)),
  encode_only: (order) => timed(() => encodeOnly(order)),
  open: async ({ client, sockets, endpoint }) => {
    uploads = make(client, sockets, endpoint);
    return {};
  },
  upload: (order) => timed(() => upload(order)),
  close: async () => {
    uploads.close();
    uploads = null;
    return {};
  },
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    let answer;
    try {
      const command = COMMANDS[order.do];
      if (!command) throw new Error(`no command is called ${order.do}`);
      answer = await command(order);
    } catch (error) {
      answer = { error: `${error.name}: ${error.message}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

main().then(() => process.exit(0));
