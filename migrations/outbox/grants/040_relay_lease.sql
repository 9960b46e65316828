-- A relay takes and renews the lease; the one row is there for ever.
GRANT SELECT ON :"service".relay_lease TO :"relay_role", operator;
GRANT UPDATE (owner, owner_name, epoch, lease_until) ON :"service".relay_lease TO :"relay_role";
