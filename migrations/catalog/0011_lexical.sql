-- Stands for the migration of the lexical first stage, which is made beside this one; replaced by it when both are merged.
SELECT 1;
