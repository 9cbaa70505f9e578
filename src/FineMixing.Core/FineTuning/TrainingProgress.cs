namespace FineMixing.FineTuning;

/// <summary>Where a training run stands.</summary>
/// <param name="Step">Optimiser steps done.</param>
/// <param name="TotalSteps">Optimiser steps in all.</param>
/// <param name="Epoch">The current pass, from 1.</param>
/// <param name="Loss">Mean loss of the last step.</param>
/// <param name="SamplesSeen">Samples processed so far.</param>
public readonly record struct TrainingProgress(int Step, int TotalSteps, int Epoch, double Loss, long SamplesSeen);
