// A DNS server that knows one name: node name_server.mjs LISTEN-ADDRESS NAME IPV4...
// Prints "ready", then a line for each question. AAAA has no data, other names do not exist (RFC 1035).
import { createSocket } from 'node:dgram';

const [listen, known, ...addresses] = process.argv.slice(2);
const A = 1;
const socket = createSocket('udp4');
socket.on('message', (query, from) => {
  let end = 12;
  const labels = [];
  while (query[end] !== 0) {
    labels.push(query.toString('latin1', end + 1, end + 1 + query[end]));
    end += 1 + query[end];
  }
  const name = labels.join('.').toLowerCase();
  const type = query.readUInt16BE(end + 1);
  const answers = name === known && type === A ? addresses : [];
  console.log(`asked for ${name}, type ${type}`);
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(name === known ? 0x8580 : 0x8583, 2); // an authoritative answer, NOERROR or NXDOMAIN
  header.writeUInt16BE(answers.length, 6);
  header.writeUInt32BE(0, 8);
  const records = answers.map((address) => {
    const record = Buffer.alloc(16);
    record.writeUInt16BE(0xc00c, 0); // the question's name
    record.writeUInt16BE(A, 2);
    record.writeUInt16BE(1, 4); // IN
    record.writeUInt16BE(4, 10); // TTL 0
    record.set(address.split('.').map(Number), 12);
    return record;
  });
  socket.send(Buffer.concat([header, query.subarray(12, end + 5), ...records]), from.port, from.address);
});
socket.bind(53, listen, () => console.log('ready'));
