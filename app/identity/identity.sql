-- What the tables of identity need beyond their columns.

-- A patient's data stands on one screen: at most one terminal at a bed.
CREATE UNIQUE INDEX IF NOT EXISTS device_one_terminal_at_a_bed ON device (place_id)
    WHERE kind = 'bedside' AND disabled_at IS NULL;
