-- What a list of encounters and a timeline are read by. Applied again whenever this file changes.

CREATE INDEX IF NOT EXISTS encounter_open ON encounter (department_id, started_at) WHERE status = 'open';
CREATE INDEX IF NOT EXISTS timeline_entry_read ON timeline_entry (person_id, at DESC, id DESC);

SELECT jiuyi.wall_by_person('encounter');
SELECT jiuyi.wall_by_parent('diagnosis', 'encounter_id', 'encounter');
SELECT jiuyi.wall_by_person('timeline_entry');

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'encounter', 'diagnosis'
]) AS kept;
