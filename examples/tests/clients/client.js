// ADDRESS PORT VERSION: two visits, the second with the session of the first.
const tls = require('tls');
const [host, port, version] = process.argv.slice(2);
let session;
function visit(left) {
  if (!left) return;
  const [minVersion, maxVersion] = [`TLSv${version}`, `TLSv${version}`];
  const options = { host, port, session, minVersion, maxVersion, rejectUnauthorized: false };
  const socket = tls.connect(options, () => socket.write('GET / HTTP/1.0\r\n\r\n'));
  socket.on('session', (given) => { session = given; });
  socket.on('data', (page) => process.stdout.write(page));
  socket.on('close', () => visit(left - 1));
}
visit(2);
