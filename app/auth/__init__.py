"""Who calls, and what they may do: tokens, TokenReview, SubjectAccessReview."""
