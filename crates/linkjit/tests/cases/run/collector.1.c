struct node *in_other_object;
