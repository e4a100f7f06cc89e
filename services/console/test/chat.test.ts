import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chatData, maxChatLength, parseChatData } from '../web/call/chat-message.ts';

describe('chat messages', () => {
  test('a message has the documented shape and is parsed as it was sent', () => {
    expect(chatData('Good morning')).toEqual({ kind: 'chat', text: 'Good morning' });
    expect(parseChatData(chatData('Good morning'))).toBe('Good morning');
  });

  test('data that is no chat message is rejected', () => {
    fc.assert(fc.property(fc.jsonValue(), (data) => parseChatData(data) === undefined));
    for (const data of [undefined, null, 'chat', { text: 'x' }, { kind: 'file', text: 'x' }, { kind: 'chat', text: 7 }])
      expect(parseChatData(data)).toBeUndefined();
  });

  test('a text beyond the limit is cut by the sender and by the receiver', () => {
    const long = 'x'.repeat(maxChatLength + 1);
    expect(chatData(long).text).toHaveLength(maxChatLength);
    expect(parseChatData({ kind: 'chat', text: long })).toHaveLength(maxChatLength);
  });
});
