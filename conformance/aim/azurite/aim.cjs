// Aims Azurite's blob suite at a running Strongroom, without touching its files. Loaded with `mocha --require`, behind ts-node.
// Three things: where the SDK's pipeline would sign with the emulator's account and key it puts a bearer token instead (every
// other key stays, and so does a signature in an address); the address that some files build by hand becomes https; and the
// stand-in that the suite starts in live mode knows host and port.

'use strict';

const Module = require('node:module');

const address = new URL(process.env.AIM_BLOBS);
const token = process.env.AIM_TOKEN;
const [, account] = address.pathname.split('/');
const key = process.env.AIM_KEY;

const load = Module._load;
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  if (request.endsWith('StorageSharedKeyCredentialPolicyV2.js'))
    return { ...loaded, storageSharedKeyCredentialPolicy: policyInstead(loaded) };
  if (request.endsWith('/BlobTestServerFactory')) {
    return { __esModule: true, default: factoryThatKnows(loaded.default) };
  }
  return loaded;
};

const policyInstead = (original) => (options) => {
  const isOurs = options.accountName === account && Buffer.from(options.accountKey).toString('base64') === key;
  if (!isOurs) return original.storageSharedKeyCredentialPolicy(options);
  return {
    name: original.storageSharedKeyCredentialPolicyName,
    sendRequest(request, next) {
      request.headers.set('authorization', `Bearer ${token}`);
      return next(request);
    },
  };
};

const factoryThatKnows = (Factory) =>
  class extends Factory {
    createServer(...options) {
      const server = super.createServer(...options);
      Object.assign(server.config, { host: address.hostname, port: Number(address.port) });
      return server;
    }
  };

const compile = Module.prototype._compile;
Module.prototype._compile = function (code, file) {
  const isTest = file.endsWith('.test.ts');
  const aimed = code
    .replaceAll(/\bhttp:\/\/(\$\{\w+(?:\.config\.host)?\}:\$\{server\.config\.port\})/g, 'https://$1')
    .replaceAll('DefaultEndpointsProtocol=http;', 'DefaultEndpointsProtocol=https;');
  return compile.call(this, isTest ? aimed : code, file);
};
