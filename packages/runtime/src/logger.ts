import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import type { Settings } from './settings.js';

export type { Logger } from 'pino';

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export interface LogConfig {
  readonly level: (typeof levels)[number];
  readonly format: 'json' | 'pretty';
}

export function readLogConfig(settings: Settings): LogConfig {
  const level = settings.choice('LOG_LEVEL', [...levels, 'warning', 'critical'], 'info');
  return {
    // The names that the Python systems of this kind use are taken too.
    level: level === 'warning' ? 'warn' : level === 'critical' ? 'fatal' : level,
    format: settings.choice('LOG_FORMAT', ['json', 'pretty'], 'json'),
  };
}

export function createLogger(service: string, config: LogConfig): Logger {
  const options = {
    base: { service },
    level: config.level,
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
  };
  if (config.format === 'json') return pino(options);
  const stream = pretty({
    colorize: process.stdout.isTTY === true,
    ignore: 'service,pid,hostname',
    messageFormat: '[{service}] {msg}',
  });
  return pino(options, stream);
}
