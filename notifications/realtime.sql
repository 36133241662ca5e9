-- Realtime events, partitioned by month, and the one way to add one.

CREATE TABLE IF NOT EXISTS rt_event (
    stream varchar(120) NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    id uuid NOT NULL,
    type varchar(60) NOT NULL,
    prio smallint NOT NULL,
    ttl_s integer,
    d jsonb NOT NULL,
    persons uuid[],  -- whom it shows; never sent
    PRIMARY KEY (stream, seq, at)
) PARTITION BY RANGE (at);
-- Events from before this column do not say whom they show: to who reads on they are a hole, and a snapshot
-- comes in their stead.
ALTER TABLE rt_event ADD COLUMN IF NOT EXISTS persons uuid[];
CREATE TABLE IF NOT EXISTS rt_event_default PARTITION OF rt_event DEFAULT;
SELECT jiuyi.ensure_partitions('rt_event');

-- Takes the stream's next number and writes the event. The row lock lasts until commit, so it comes last.
DROP FUNCTION IF EXISTS jiuyi.rt_push(text, uuid, text, smallint, integer, jsonb);  -- which did not say whom
CREATE OR REPLACE FUNCTION jiuyi.rt_push(
    to_stream text, event_id uuid, event_type text, event_prio smallint, event_ttl_s integer, event_d jsonb,
    event_persons uuid[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    next_seq bigint;
BEGIN
    INSERT INTO rt_stream AS head (stream, epoch, seq) VALUES (to_stream, gen_random_uuid(), 1)
    ON CONFLICT (stream) DO UPDATE SET seq = head.seq + 1
    RETURNING seq INTO next_seq;
    INSERT INTO rt_event (stream, seq, id, type, prio, ttl_s, d, persons)
    VALUES (to_stream, next_seq, event_id, event_type, event_prio, event_ttl_s, event_d, event_persons);
    RETURN next_seq;
END $$;

-- An inbox is its account's alone, whomever else the account acts for.
SELECT jiuyi.wall('message', 'account_id = (SELECT jiuyi.actor_related(''account''))');

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'message'
]) AS kept;
