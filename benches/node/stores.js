'use strict';
// S3 clients behind one function: put(key, text). Retries are off, as in the Python stores: a failed PUT is an error.

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');

function agent(endpoint, options) {
  if (!endpoint.url.startsWith('https:')) return new http.Agent(options);
  const ca = endpoint.ca_file ? fs.readFileSync(endpoint.ca_file) : undefined;
  return new https.Agent({ ...options, ca });
}

// Version 2 keeps no connection unless told otherwise; that is its default, and what the original had. Node hands a socket on
// only to a request that is already waiting for one.
function version2(endpoint, sockets) {
  const AWS = require('aws-sdk');
  const own = agent(endpoint, { maxSockets: sockets, keepAlive: false });
  const client = new AWS.S3({
    endpoint: endpoint.url,
    region: endpoint.region || 'us-east-1',
    accessKeyId: endpoint.access_key,
    secretAccessKey: endpoint.secret_key,
    s3ForcePathStyle: true,
    maxRetries: 0,
    httpOptions: { agent: own },
  });
  return {
    put: (key, text) => client.putObject({ Bucket: endpoint.bucket, Key: key, Body: text }).promise(),
    close: () => own.destroy(),
  };
}

// Version 3 keeps connections alive by default.
function version3(endpoint, sockets) {
  const { S3Client, PutObjectCommand } = require('@aws-sdk/client-s3');
  const { NodeHttpHandler } = require('@smithy/node-http-handler');
  const own = agent(endpoint, { maxSockets: sockets, keepAlive: true });
  const client = new S3Client({
    endpoint: endpoint.url,
    region: endpoint.region || 'us-east-1',
    credentials: { accessKeyId: endpoint.access_key, secretAccessKey: endpoint.secret_key },
    forcePathStyle: true,
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({ httpAgent: own, httpsAgent: own }),
  });
  return {
    put: (key, text) => client.send(new PutObjectCommand({ Bucket: endpoint.bucket, Key: key, Body: text })),
    close: () => client.destroy(),
  };
}

const MAKERS = { 'aws-sdk-v2': version2, 'aws-sdk-v3': version3 };

function make(name, sockets, endpoint) {
  const maker = MAKERS[name];
  if (!maker) throw new Error(`no client is called ${name}; there are: ${Object.keys(MAKERS).join(', ')}`);
  return maker(endpoint, sockets);
}

module.exports = { make };
