-- Places and people of the house.

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'campus', 'zone', 'department', 'room', 'ward', 'bed', 'staff', 'service_window'
]) AS kept;
