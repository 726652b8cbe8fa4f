/** CLIENT and its subcommands. Source: https://redis.io/docs/latest/commands/client-list/ and its neighbours. */
import { parseInt64 } from '@diststore/base';
import { CLIENT_NAME_ERROR, equalsIgnoringCase, type ReplyEncoder, SYNTAX_ERROR } from '@diststore/redis';

import { describeClient, parseKillFilter, typeFilter, unknownTypeError } from '../client-list.js';
import type { Arguments, Connection, Implementation, Implementations } from '../implementation.js';
import { clientText } from './connection.js';

type Run = (connection: Connection, args: Arguments, out: ReplyEncoder) => void;

function special(run: Run): Implementation {
  return { kind: 'special', run };
}

/** ON or OFF. */
function toggled(set: (connection: Connection, on: boolean) => void): Implementation {
  return special((connection, args, out) => {
    const word = args[2] as Buffer;
    const isOn = equalsIgnoringCase(word, 'on');
    if (!isOn && !equalsIgnoringCase(word, 'off')) {
      out.error(SYNTAX_ERROR.text);
      return;
    }
    set(connection, isOn);
    out.ok();
  });
}

const list: Run = (connection, args, out) => {
  const option = args[2];
  let chosen = connection.port.connections();
  if (args.length === 4 && option !== undefined && equalsIgnoringCase(option, 'type')) {
    const filter = typeFilter(args[3] as Buffer);
    if (filter === undefined) {
      out.error(unknownTypeError(args[3] as Buffer).text);
      return;
    }
    chosen = chosen.filter(filter);
  } else if (args.length > 3 && option !== undefined && equalsIgnoringCase(option, 'id')) {
    const ids = args.slice(3).map(parseInt64);
    if (ids.includes(undefined)) {
      out.error('ERR Invalid client ID');
      return;
    }
    chosen = ids.flatMap((id) => connection.port.find(Number(id)) ?? []);
  } else if (args.length > 2) {
    out.error(SYNTAX_ERROR.text);
    return;
  }
  out.verbatim('txt', chosen.map((client) => `${describeClient(client)}\n`).join(''));
};

const kill: Run = (connection, args, out) => {
  const { port } = connection;
  if (args.length === 3) {
    const address = (args[2] as Buffer).toString('latin1');
    const found = port.connections().find((client) => client.address === address);
    if (found === undefined) {
      out.error('ERR No such client');
      return;
    }
    end(found, connection);
    out.ok();
    return;
  }
  const filter = parseKillFilter(args, connection);
  if (!filter.ok) {
    out.error(filter.error.text);
    return;
  }
  const chosen = port.connections().filter(filter.value);
  for (const client of chosen) end(client, connection);
  out.integer(chosen.length);
};

/** Who kills itself still gets the answer. */
function end(client: Connection, self: Connection): void {
  if (client === self) client.end();
  else client.destroy();
}

const pause: Run = (connection, args, out) => {
  const timeoutMs = parseInt64(args[2] as Buffer);
  const mode = args[3];
  if (timeoutMs === undefined) {
    out.error('ERR timeout is not an integer or out of range');
    return;
  }
  if (timeoutMs < 0) {
    out.error('ERR timeout is negative');
    return;
  }
  const isWrite = mode !== undefined && equalsIgnoringCase(mode, 'write');
  if (mode !== undefined && !isWrite && !equalsIgnoringCase(mode, 'all')) {
    out.error('ERR CLIENT PAUSE mode must be WRITE or ALL');
    return;
  }
  connection.port.pauses.pause(Number(timeoutMs), isWrite ? 'write' : 'all');
  out.ok();
};

const reply: Run = (connection, args, out) => {
  const word = args[2] as Buffer;
  if (equalsIgnoringCase(word, 'on')) {
    connection.replyMode = 'on';
    connection.beginReply().ok();
  } else if (equalsIgnoringCase(word, 'off')) {
    connection.replyMode = 'off';
  } else if (equalsIgnoringCase(word, 'skip')) {
    if (connection.replyMode === 'on') connection.replyMode = 'skip';
  } else {
    out.error(SYNTAX_ERROR.text);
  }
};

const setInfo: Run = (connection, args, out) => {
  const attribute = args[2] as Buffer;
  const text = clientText(args[3] as Buffer);
  const isName = equalsIgnoringCase(attribute, 'lib-name');
  if (!isName && !equalsIgnoringCase(attribute, 'lib-ver')) {
    out.error(`ERR Unrecognized option '${attribute.toString()}'`);
    return;
  }
  if (text === undefined) {
    const word = isName ? 'lib-name' : 'lib-ver';
    out.error(`ERR ${word} cannot contain spaces, newlines or special characters.`);
    return;
  }
  if (isName) connection.libName = text;
  else connection.libVersion = text;
  out.ok();
};

const setName: Run = (connection, args, out) => {
  const name = clientText(args[2] as Buffer);
  if (name === undefined) {
    out.error(CLIENT_NAME_ERROR.text);
    return;
  }
  connection.name = name;
  out.ok();
};

export const clientCommands: Implementations = {
  'client|getname': special((connection, _args, out) => {
    if (connection.name === '') out.null();
    else out.bulk(connection.name);
  }),
  'client|id': special((connection, _args, out) => out.integer(connection.id)),
  'client|info': special((connection, _args, out) => out.verbatim('txt', `${describeClient(connection)}\n`)),
  'client|kill': special(kill),
  'client|list': special(list),
  'client|no-evict': toggled((connection, on) => (connection.noEvict = on)),
  'client|no-touch': toggled((connection, on) => (connection.noTouch = on)),
  'client|pause': special(pause),
  'client|reply': special(reply),
  'client|setinfo': special(setInfo),
  'client|setname': special(setName),
  'client|unpause': special((connection, _args, out) => {
    connection.port.pauses.unpause();
    out.ok();
  }),
};
