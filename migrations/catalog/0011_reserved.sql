-- This number is another branch's: on merging, its file takes the place of this one.
SELECT 1;
