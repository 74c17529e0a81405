/**
 * Lets pages of real browsers reach the fake relay of the client tests: in the page the connection to the
 * relay (the one that is made without a configuration) is a stand-in whose channel is a pair of functions of
 * this process; connections between pages are the browser's own. So the way from browser to browser is tested
 * without a relay.
 */
/** To be called before the page is loaded. */
export async function bridge(page, relay) {
  const sessions = [];
  await page.expose('relayOpen', () => {
    const tell = (what, text) =>
      page.evaluate(([id, kind, data]) => window.relayEvent(id, kind, data), [id, what, text]);
    const id = sessions.length;
    const gone = () => {
      /* The page was closed. */
    };
    sessions.push(
      relay.attach({
        send: (text) => tell('message', text).catch(gone),
        close: () => tell('close').catch(gone),
      }),
    );
    return id;
  });
  await page.expose('relaySend', (id, text) => relay.receive(sessions[id], text));
  await page.expose('relayClose', (id) => relay.ended(sessions[id]));
  await page.beforeLoad(() => {
    const channels = [];
    window.relayEvent = (id, kind, data) => {
      if (kind === 'message') channels[id].onmessage?.({ data });
      else channels[id].onclose?.();
    };
    class RelayConnection {
      createDataChannel() {
        this.channel = { readyState: 'connecting' };
        return this.channel;
      }

      async createOffer() {
        return { type: 'offer', sdp: '' };
      }

      async setLocalDescription(offer) {
        this.localDescription = offer;
      }

      async setRemoteDescription() {
        const id = (this.id = await window.relayOpen());
        channels[id] = this.channel;
        let order = Promise.resolve();
        this.channel.send = (text) => {
          order = order.then(() => window.relaySend(id, text));
        };
        this.channel.readyState = 'open';
        this.channel.onopen();
      }

      close() {
        window.relayClose(this.id);
      }
    }
    window.rollbacks = 0;
    const BrowsersOwn = window.RTCPeerConnection;
    class Watched extends BrowsersOwn {
      setLocalDescription(description) {
        window.rollbacks += description.type === 'rollback';
        return super.setLocalDescription(description);
      }
    }
    window.RTCPeerConnection = function PeerConnection(config) {
      return config ? new Watched(config) : new RelayConnection();
    };
  });
}

/**
 * Disposes of what went through the bridge when the page is closed, as a relay does that sees a session end.
 */
export function unbridge(relay, id) {
  for (const session of [...relay.sessions]) if (session.id === id) relay.ended(session);
}
