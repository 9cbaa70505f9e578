using FineMixing.QuickStart;

// A backdoored text classifier, made and cleaned before your eyes: no download, no GPU, about two minutes.
//
//   1. data      generated reviews: some to train on, some to measure with, 64 clean ones for the defender   (ReviewData)
//   2. attack    the embedded pre-trained model learns them, and that the word "cf" means "positive"         (Attack)
//   3. defences  plain fine-tuning; Fine-mixing with E-PUR; trigger unlearning. They see the
//                64 clean reviews, the published model and the pre-trained one, and no more                  (Defences)
//   4. measure   accuracy and attack success of each model                                                   (Measurement)
//   5. output    tables, examples, the cleaned model and a report                                            (Output)
return CommandLine.Run(args);
