'use strict';
// Each encoder starts writing `capture` as JSON text into `sink`, in whatever pieces it hands on by itself.

const { Readable, Transform } = require('node:stream');
const JSONStream = require('JSONStream');
const bfj = require('bfj');
const bfj2019 = require('bfj-2019');
const { JsonStreamStringify } = require('json-stream-stringify');

/** Bytes that the gathering variant collects: what packhorse's own streaming encoders hand on. */
const GATHERED_BYTES = 64 * 1024;

function flow(readable, sink) {
  readable.on('error', (error) => sink.destroy(error));
  readable.pipe(sink);
}

/** Collects pieces until there are `GATHERED_BYTES` of them, as characters: near enough, and free. */
function gather() {
  let pieces = [];
  let length = 0;
  const flush = (stream) => {
    if (length > 0) stream.push(pieces.join(''));
    pieces = [];
    length = 0;
  };
  return new Transform({
    decodeStrings: false,
    transform(piece, _encoding, done) {
      pieces.push(piece.toString());
      length += piece.length;
      if (length >= GATHERED_BYTES) flush(this);
      done();
    },
    flush(done) {
      flush(this);
      done();
    },
  });
}

module.exports = {
  bfj: (capture, sink) => flow(bfj.streamify(capture), sink),
  'bfj-2019': (capture, sink) => flow(bfj2019.streamify(capture), sink),
  'bfj-gathered': (capture, sink) => {
    const gathered = gather();
    flow(bfj.streamify(capture), gathered);
    flow(gathered, sink);
  },
  // As the original benchmark used it: one write, which is one synchronous JSON.stringify in one piece.
  JSONStream: (capture, sink) => {
    const stream = JSONStream.stringify(false);
    flow(stream, sink);
    stream.write(capture);
    stream.end();
  },
  'json-stream-stringify': (capture, sink) => flow(new JsonStreamStringify(capture), sink),
  'JSON.stringify': (capture, sink) => flow(Readable.from([JSON.stringify(capture)], { objectMode: false }), sink),
};
