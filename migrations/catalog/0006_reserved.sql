-- Nothing yet: the number is that of a change made beside this one.
SELECT 1;
