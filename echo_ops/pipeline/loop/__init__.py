"""The proof: the whole cycle day by day without Airflow's clock, and what its model is worth to other programmers.

Simulated programmers write real code that the base model has not seen, are served by the model of the day, and take or
correct what it proposes. Each night their day is harvested, trained on and rolled out by the very code that does it for
real programmers. Beside it three controls learn from the same base: nothing at all, the same lessons in wrong contexts,
and what the model itself proposed and its users took.

``plan`` says what is done, ``teams`` who works on which files, ``panel`` is what all models are measured on, ``arms``
what each of them learns, ``serving`` answers with a checkpoint, ``run`` puts it together, ``figures`` shows it.
"""
