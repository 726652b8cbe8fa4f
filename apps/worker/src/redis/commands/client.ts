/** CLIENT and its subcommands. Source: https://redis.io/docs/latest/commands/client-list/ and its neighbours. */
import { parseInt64 } from '@diststore/base';
import { CLIENT_NAME_ERROR, equalsIgnoringCase, type ReplyEncoder, SYNTAX_ERROR } from '@diststore/redis';

import { describeClient, parseKillFilter, typeFilter, unknownTypeError } from '../client-list.js';
import type { Arguments, Implementation, Implementations } from '../implementation.js';
import type { Session } from '../session.js';
import { clientText } from './connection.js';

type Run = (session: Session, args: Arguments, out: ReplyEncoder) => void;

function special(run: Run): Implementation {
  return { kind: 'special', run };
}

/** ON or OFF. */
function toggled(set: (session: Session, on: boolean) => void): Implementation {
  return special((session, args, out) => {
    const word = args[2] as Buffer;
    const isOn = equalsIgnoringCase(word, 'on');
    if (!isOn && !equalsIgnoringCase(word, 'off')) {
      out.error(SYNTAX_ERROR.text);
      return;
    }
    set(session, isOn);
    out.ok();
  });
}

const list: Run = (session, args, out) => {
  const option = args[2];
  let chosen = session.server.sessions();
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
    chosen = ids.flatMap((id) => session.server.find(Number(id)) ?? []);
  } else if (args.length > 2) {
    out.error(SYNTAX_ERROR.text);
    return;
  }
  out.verbatim('txt', chosen.map((client) => `${describeClient(client)}\n`).join(''));
};

const kill: Run = (session, args, out) => {
  const { server } = session;
  if (args.length === 3) {
    const address = (args[2] as Buffer).toString('latin1');
    const found = server.sessions().find((client) => client.address === address);
    if (found === undefined) {
      out.error('ERR No such client');
      return;
    }
    end(found, session);
    out.ok();
    return;
  }
  const filter = parseKillFilter(args, session);
  if (!filter.ok) {
    out.error(filter.error.text);
    return;
  }
  const chosen = server.sessions().filter(filter.value);
  for (const client of chosen) end(client, session);
  out.integer(chosen.length);
};

/** Who kills itself still gets the answer. */
function end(client: Session, self: Session): void {
  if (client === self) client.end();
  else client.destroy();
}

const pause: Run = (session, args, out) => {
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
  session.server.pauses.pause(Number(timeoutMs), isWrite ? 'write' : 'all');
  out.ok();
};

const reply: Run = (session, args, out) => {
  const word = args[2] as Buffer;
  if (equalsIgnoringCase(word, 'on')) {
    session.replyMode = 'on';
    session.beginReply().ok();
  } else if (equalsIgnoringCase(word, 'off')) {
    session.replyMode = 'off';
  } else if (equalsIgnoringCase(word, 'skip')) {
    if (session.replyMode === 'on') session.replyMode = 'skip';
  } else {
    out.error(SYNTAX_ERROR.text);
  }
};

const setInfo: Run = (session, args, out) => {
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
  if (isName) session.libName = text;
  else session.libVersion = text;
  out.ok();
};

const setName: Run = (session, args, out) => {
  const name = clientText(args[2] as Buffer);
  if (name === undefined) {
    out.error(CLIENT_NAME_ERROR.text);
    return;
  }
  session.name = name;
  out.ok();
};

export const clientCommands: Implementations = {
  'client|getname': special((session, _args, out) => {
    if (session.name === '') out.null();
    else out.bulk(session.name);
  }),
  'client|id': special((session, _args, out) => out.integer(session.id)),
  'client|info': special((session, _args, out) => out.verbatim('txt', `${describeClient(session)}\n`)),
  'client|kill': special(kill),
  'client|list': special(list),
  'client|no-evict': toggled((session, on) => (session.noEvict = on)),
  'client|no-touch': toggled((session, on) => (session.noTouch = on)),
  'client|pause': special(pause),
  'client|reply': special(reply),
  'client|setinfo': special(setInfo),
  'client|setname': special(setName),
  'client|unpause': special((session, _args, out) => {
    session.server.pauses.unpause();
    out.ok();
  }),
};
