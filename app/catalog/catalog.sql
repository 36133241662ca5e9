-- What the hospital offers, and its code systems.

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'priced_item', 'drug', 'lab_panel', 'lab_test', 'lab_reference', 'icd10'
]) AS kept;
