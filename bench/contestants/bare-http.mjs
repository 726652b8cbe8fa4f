/**
 * The ceiling: a `node:http` server that reads the request's body, if it has one, and gives one fixed answer. What it
 * lacks is everything else: routing, decoding, storing, error handling, metrics.
 *
 * Told the answer over IPC, it says which port it listens on.
 */
import { Buffer } from 'node:buffer';
import { createServer } from 'node:http';
import process from 'node:process';

process.once('message', ({ status, headers, body }) => {
  const bytes = Buffer.from(body);
  const written = [...headers.flat(), 'Content-Length', bytes.length];

  const server = createServer((req, res) => {
    const chunks = [];
    const answer = () => {
      if (chunks.length > 0) Buffer.concat(chunks);
      res.writeHead(status, written);
      res.end(bytes);
    };
    if (req.headers['content-length'] === undefined) answer();
    else req.on('data', (chunk) => chunks.push(chunk)).on('end', answer);
  });
  server.listen(0, '127.0.0.1', () => process.send({ result: server.address().port }));
});
process.on('disconnect', () => process.exit());
