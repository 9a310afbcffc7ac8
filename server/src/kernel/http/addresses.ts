// Network addresses for those who only compare them: the room that listens lends the platform's parser, so that nobody
// else needs the module that opens sockets.

export { BlockList, isIP, isIPv6 } from 'node:net';
