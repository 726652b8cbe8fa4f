/** The options that every diststore process has. An app spreads them into its own table. */
import { choice, integer, option } from '@diststore/config';
import { z } from 'zod';

const MiB = 1024 * 1024;

export const processOptions = {
  host: option({
    schema: z.string().min(1).max(253).describe('a host name or address'),
    default: '127.0.0.1',
    summary: 'Address to listen on; 0.0.0.0 for every interface',
    group: 'Network',
  }),
  maxHeaderBytes: option({
    schema: integer({ min: 4096, max: MiB }),
    default: 16 * 1024,
    summary: 'Largest request line and headers, which hold keys and values given in the URL',
    group: 'Limits',
  }),
  maxConnections: option({
    schema: integer({ min: 1, max: 1_000_000 }),
    default: 12_000,
    summary: 'HTTP connections at one time; further ones are closed',
    group: 'Limits',
  }),
  requestTimeoutMs: option({
    schema: integer({ min: 100, max: 3_600_000 }),
    default: 60_000,
    summary: 'Longest time that a request may take to arrive',
    group: 'Limits',
  }),
  keepAliveTimeoutMs: option({
    schema: integer({ min: 1, max: 3_600_000 }),
    default: 65_000,
    summary: 'How long an idle HTTP connection is kept',
    group: 'Limits',
  }),
  dataDir: option({
    schema: z.string().min(1).describe('a path'),
    default: './data',
    summary: 'Folder that holds one folder per process',
    group: 'Storage',
  }),
  stopDeadlineMs: option({
    schema: integer({ min: 1, max: 600_000 }),
    default: 10_000,
    summary: 'Longest time that each step of an orderly stop may take',
    group: 'Process',
  }),
  logFormat: option({
    schema: choice('text', 'json'),
    default: 'text',
    summary: 'Log lines for people or for machines',
    group: 'Process',
  }),
  logLevel: option({
    schema: choice('error', 'warn', 'log', 'debug'),
    default: 'log',
    summary: 'Least important lines that are logged',
    group: 'Process',
  }),
} as const;

export interface ProcessConfig {
  readonly host: string;
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly dataDir: string;
  readonly stopDeadlineMs: number;
  readonly logFormat: 'text' | 'json';
  readonly logLevel: 'error' | 'warn' | 'log' | 'debug';
}
