/**
 * What the transport counts, as plain numbers that only grow; the host reads them into whatever metrics it keeps.
 * Counted per channel, since a channel is served or dialled by this process's own choice: a peer cannot add to them.
 */
export interface ChannelCounters {
  /** Messages that were delivered; messages that were accepted for sending. */
  messagesReceived: number;
  messagesSent: number;
  /** Bytes from and to the socket, headers and pings included; those of the handshake are not. */
  bytesReceived: number;
  bytesSent: number;
  /** Messages that were not accepted because the send queue was full. */
  sendsRefused: number;
  /** Connections that passed the handshake on this side; those that ended since. */
  connectionsOpened: number;
  connectionsClosed: number;
  /** Of those that ended: by malformed bytes, by silence. */
  protocolErrors: number;
  silences: number;
  /** Attempts to connect; those that came to nothing, refusals by the peer included. */
  dials: number;
  dialsFailed: number;
  /** Requests by outcome, and answers that came after their request had been given up. */
  requestsAnswered: number;
  requestsNotSent: number;
  requestsUnknown: number;
  answersLate: number;
}

export class TransportCounters {
  /** Handshakes that this side refused, on any channel, known or not. */
  refusals = 0;
  private readonly byChannel = new Map<string, ChannelCounters>();

  /** REQUIRES: a channel that this process serves or dials. */
  of(channel: string): ChannelCounters {
    let counters = this.byChannel.get(channel);
    if (counters === undefined) this.byChannel.set(channel, (counters = zeros()));
    return counters;
  }

  get channels(): ReadonlyMap<string, Readonly<ChannelCounters>> {
    return this.byChannel;
  }
}

function zeros(): ChannelCounters {
  return {
    messagesReceived: 0,
    messagesSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    sendsRefused: 0,
    connectionsOpened: 0,
    connectionsClosed: 0,
    protocolErrors: 0,
    silences: 0,
    dials: 0,
    dialsFailed: 0,
    requestsAnswered: 0,
    requestsNotSent: 0,
    requestsUnknown: 0,
    answersLate: 0,
  };
}
