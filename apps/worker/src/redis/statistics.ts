/** What a listener counts, for INFO and for /metrics. */
export class Statistics {
  connections = 0;
  rejectedConnections = 0;
  commands = 0;
  inputBytes = 0;
  outputBytes = 0;
  keyHits = 0;
  keyMisses = 0;
  protocolErrors = 0;
  errorReplies = 0;

  countRead(found: boolean): void {
    if (found) this.keyHits += 1;
    else this.keyMisses += 1;
  }

  reset(): void {
    this.connections = this.rejectedConnections = this.commands = 0;
    this.inputBytes = this.outputBytes = this.keyHits = this.keyMisses = 0;
    this.protocolErrors = this.errorReplies = 0;
  }
}
