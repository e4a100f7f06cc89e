import { z } from 'zod';

/** Most characters that are sent and shown of a message. */
export const maxChatLength = 4000;

/** Data of a room message (`room.send`) that is chat. examples/README.md documents it for other clients. */
const ChatData = z.object({ kind: z.literal('chat'), text: z.string() });
export type ChatData = Readonly<z.infer<typeof ChatData>>;

export const chatData = (text: string): ChatData => ({ kind: 'chat', text: text.slice(0, maxChatLength) });

/** Text of a chat message; undefined for other data. Any participant may send any data to the room. */
export function parseChatData(data: unknown): string | undefined {
  const chat = ChatData.safeParse(data);
  return chat.success ? chat.data.text.slice(0, maxChatLength) : undefined;
}
