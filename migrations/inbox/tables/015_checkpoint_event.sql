-- Which event the checkpoint stands at. Positions and numbers come again when an outbox was restored
-- from an older copy and its stream was lost as well; an event's id does not.
ALTER TABLE :"service".checkpoint
    ADD COLUMN event_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
