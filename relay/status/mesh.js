/** The mesh as this node sees it: a drawing of the nodes around this one, and a table of its links. */
const NAMESPACE = 'http://www.w3.org/2000/svg';
const CENTRE = { x: 240, y: 160 };
const REACH = { x: 200, y: 125 };
const NAMED = 16; // with more nodes around, their names would lie over each other
const DRAWN = 96;

const $ = (id) => document.getElementById(id);
const short = (nk) => nk.slice(0, 6);
const count = (n, one, many = `${one}s`) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

function bytes(n) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  for (; n >= 999.5 && i < units.length - 1; i += 1) n /= 1000;
  return `${i && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

function draw(tag, attributes, ...content) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}

function classOf({ self, live, linked, spoken }) {
  const kind = self ? 'mesh-self' : linked ? 'mesh-linked' : spoken ? 'mesh-spoken' : '';
  return `mesh-node ${kind}${live ? '' : ' mesh-old'}`;
}

function told({ node, self, live, linked, spoken, members }) {
  if (self) return `${node}: this node`;
  const way = linked ? 'linked' : spoken ? 'through a neighbour' : live ? 'not reached' : 'not renewed of late';
  return `${node}: ${way}, ${count(members, 'member')} in rooms that are here, too`;
}

/** A straight way, or one around this node where that would be on it. */
function between(from, to) {
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  const bend = Math.hypot(middle.x - CENTRE.x, middle.y - CENTRE.y) < 30 ? 0.25 : 0;
  const control = { x: middle.x - (to.y - from.y) * bend, y: middle.y + (to.x - from.x) * bend };
  return `M${from.x} ${from.y}Q${control.x} ${control.y} ${to.x} ${to.y}`;
}

function drawGraph(nodes, pairs) {
  const self = nodes.find((node) => node.self);
  const others = nodes
    .filter((node) => !node.self)
    .sort((a, b) => (a.node < b.node ? -1 : 1))
    .slice(0, DRAWN);
  const lines = [];
  const dots = [];
  const put = (node, { x, y }, radius) => {
    const dot = draw('circle', { cx: x, cy: y, r: radius, class: classOf(node) });
    dot.append(draw('title', {}, told(node)));
    dots.push(dot);
    if (others.length > NAMED) return;
    const below = y >= CENTRE.y ? radius + 14 : -radius - 6;
    dots.push(draw('text', { x, y: y + below }, node.self ? 'this node' : short(node.node)));
  };
  const places = new Map(others.map((node, i) => {
    const angle = (2 * Math.PI * i) / others.length + Math.PI;
    return [node, { x: CENTRE.x + REACH.x * Math.cos(angle), y: CENTRE.y + REACH.y * Math.sin(angle) }];
  }));
  for (const pair of pairs) {
    const [a, b] = pair.map((i) => nodes[i]);
    const [from, to] = [places.get(a), places.get(b)];
    if (!from || !to) continue;
    const line = draw('path', { d: between(from, to), class: 'mesh-between' });
    line.append(draw('title', {}, `${short(a.node)} and ${short(b.node)} are linked`));
    lines.push(line);
  }
  others.forEach((node) => {
    const at = places.get(node);
    if (node.linked || node.spoken) {
      const ends = { x1: CENTRE.x, y1: CENTRE.y, x2: at.x, y2: at.y };
      lines.push(draw('line', { ...ends, class: node.linked ? 'mesh-link' : 'mesh-via' }));
    }
    put(node, at, others.length > NAMED ? 5 : 9);
  });
  if (self) put(self, CENTRE, 12);
  $('mesh-graph').replaceChildren(...lines, ...dots);
}

function row({ node, dialled, roundTripMs, bytesIn, bytesOut }) {
  const head = document.createElement('th');
  head.scope = 'row';
  const name = document.createElement('span');
  name.className = 'code';
  name.textContent = node;
  const way = document.createElement('small');
  way.textContent = dialled ? 'dialled by this node' : 'dialled by the other';
  head.append(name, way);
  const made = document.createElement('tr');
  made.append(head);
  for (const text of [roundTripMs === undefined ? '–' : `${roundTripMs} ms`, bytes(bytesIn), bytes(bytesOut)]) {
    const cell = document.createElement('td');
    cell.className = 'number';
    cell.textContent = text;
    made.append(cell);
  }
  return made;
}

/** @param {object} report what /statsz says */
export function showMesh({ mesh, drops }) {
  $('mesh').hidden = !mesh?.on;
  if (!mesh?.on) return;
  const { nodes, links, conversations, remote_rooms: rooms, remote_members: members } = mesh;
  const figures = [
    count(nodes, 'node'),
    count(links, 'link') + (mesh.pairs ? ` and ${mesh.pairs.toLocaleString('en')} between others` : ''),
    `${count(members, 'member')} elsewhere in ${count(rooms, 'room')}`,
  ].join(', ');
  $('mesh-figures').textContent = figures;
  $('mesh-graph').setAttribute('aria-label', `Mesh: ${figures}; ${count(conversations, 'node')} spoken with`);
  const { salt } = drops.mesh;
  $('mesh-salt').hidden = salt === 0;
  const warning = `${count(salt, 'link')} found no common key: does MESH_SALT differ somewhere?`;
  if ($('mesh-salt').textContent !== warning) $('mesh-salt').textContent = warning; // a live region
  drawGraph(mesh.nodeList, mesh.pairList);
  const rows = mesh.linkList.sort((a, b) => (a.node < b.node ? -1 : 1)).map(row);
  $('mesh-links').hidden = rows.length === 0;
  $('mesh-alone').hidden = rows.length > 0;
  $('mesh-links').tBodies[0].replaceChildren(...rows);
}
