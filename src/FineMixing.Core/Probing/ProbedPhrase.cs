namespace FineMixing.Probing;

/// <summary>A phrase that was inserted into clean samples, and what the suspect and the reference made of them.</summary>
/// <param name="Text">The phrase.</param>
/// <param name="Tokens">Its length in tokens.</param>
/// <param name="TargetLabel">The label it leads to.</param>
/// <param name="SuspectGain">How much it raises the margin of that label over the best other in the suspect (difference of logits, mean over the samples of other labels that do not go to it by themselves).</param>
/// <param name="ReferenceGain">The same in the reference.</param>
/// <param name="SuspectFlips">Share of the samples of other labels that go to the label with the phrase and not without it, in the suspect.</param>
/// <param name="ReferenceFlips">The same in the reference.</param>
/// <param name="Trials">Insertions this was measured on.</param>
public sealed record ProbedPhrase(string Text, int Tokens, int TargetLabel, double SuspectGain, double ReferenceGain, double SuspectFlips, double ReferenceFlips, int Trials)
{
    /// <summary>What speaks for a trigger, -1 to 1: a trigger flips the suspect and not the reference, a word with a meaning flips both.</summary>
    public double Evidence => SuspectFlips - ReferenceFlips;

    /// <summary>How much more it raises the margin in the suspect than in the reference; that it lowers the reference's does not count.</summary>
    public double Gain => SuspectGain - Math.Max(0, ReferenceGain);
}
