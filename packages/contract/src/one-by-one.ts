/**
 * Metadata of a PublishStream in which each request is a Publish of its own: answered before the next is read, refused
 * where it would be, and tried again by the gateway where that would try again. The first error ends the stream, in the
 * words of Publish. A call that is used again costs a third of a new one.
 */
export const oneByOneHeader = 'eventsieve-one-by-one';
