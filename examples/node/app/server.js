'use strict';
const fs = require('fs');
const http = require('http');

const server = http.createServer((request, response) => {
  if (request.url === '/health') {
    fs.statSync(__filename);
    return response.end('ok\n');
  }
  response.end('hello from node\n');
});

// The first socket that the vassal hands over.
server.listen({ fd: 3 });

// What has begun is answered; connections that are kept open for a next request are not waited for.
process.on('SIGTERM', () => {
  server.close();
  server.closeIdleConnections();
});
