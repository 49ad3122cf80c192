'use strict';
// The original pipeline: JSON pieces -> deflate (level 6, the default) -> base64 -> one string.

const zlib = require('node:zlib');
const { Writable } = require('node:stream');
const { Base64Encode } = require('base64-stream');
const encoders = require('./encoders.js');

function encoder(name) {
  const found = encoders[name];
  if (!found) throw new Error(`no encoder is called ${name}; there are: ${Object.keys(encoders).join(', ')}`);
  return found;
}

/** Encode one capture to its stored text. */
function toText(name, capture) {
  return new Promise((resolve, reject) => {
    const deflate = zlib.createDeflate();
    const base64 = new Base64Encode();
    const parts = [];
    deflate.on('error', reject);
    base64.on('error', reject);
    base64.on('data', (part) => parts.push(part));
    base64.on('end', () => resolve(parts.join('')));
    deflate.pipe(base64);
    encoder(name)(capture, deflate);
  });
}

/** Run the encoder alone; resolves to the sizes in bytes of the pieces it handed on. */
function pieces(name, capture) {
  return new Promise((resolve, reject) => {
    const sizes = [];
    const sink = new Writable({
      write(piece, _encoding, done) {
        sizes.push(piece.length);
        done();
      },
    });
    sink.on('error', reject);
    sink.on('finish', () => resolve(sizes));
    encoder(name)(capture, sink);
  });
}

module.exports = { toText, pieces, names: Object.keys(encoders) };
