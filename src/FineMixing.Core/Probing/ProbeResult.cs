using System.Collections.Immutable;

namespace FineMixing.Probing;

/// <summary>What a search for a trigger led to.</summary>
/// <param name="Phrases">The phrases that were confirmed in the suspect, those with the most evidence first.</param>
/// <param name="Unlearned">The phrase that was unlearned; null when none had enough evidence or unlearning failed, and the distilled model was taken.</param>
/// <param name="EvidenceLeft">The most evidence any of the phrases has after unlearning; null when nothing was unlearned.</param>
public sealed record ProbeResult(ImmutableArray<ProbedPhrase> Phrases, ProbedPhrase? Unlearned, double? EvidenceLeft);
