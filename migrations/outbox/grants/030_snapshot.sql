-- A cache is its service's own affair.
GRANT SELECT, INSERT, UPDATE, DELETE ON :"service".snapshot TO :"service_role";
