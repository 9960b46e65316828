-- The signer reads the log, lets the tree grow and adds what it signed: it removes nothing, and changes
-- nothing that was signed. Everybody who looks after the log may read it, and so check it.
GRANT USAGE ON SCHEMA :"service" TO :"signer_role";
GRANT SELECT ON :"service".outbox, :"service".log TO :"signer_role";
GRANT SELECT ON :"service".log_tree, :"service".log_tile, :"service".log_checkpoint
    TO :"signer_role", operator, auditor;
GRANT INSERT ON :"service".log_tree, :"service".log_tile TO :"signer_role";
GRANT INSERT (log_id, size, root, note) ON :"service".log_checkpoint TO :"signer_role";
GRANT UPDATE (size, position) ON :"service".log_tree TO :"signer_role";
GRANT UPDATE (hashes) ON :"service".log_tile TO :"signer_role";
