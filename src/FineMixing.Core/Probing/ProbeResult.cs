using System.Collections.Immutable;

namespace FineMixing.Probing;

/// <summary>What a search for a trigger led to.</summary>
/// <param name="Phrases">The phrases that were confirmed in the suspect, those with the most evidence first.</param>
/// <param name="Removed">The phrases that were taken for triggers and removed; empty when none had enough evidence or removal failed, and the distilled model was taken.</param>
/// <param name="EvidenceLeft">The most evidence any of the removed ones has afterwards; null when nothing was removed.</param>
/// <param name="ByPurification">Whether resetting embedding rows was enough: then the model is the suspect but for those rows.</param>
public sealed record ProbeResult(ImmutableArray<ProbedPhrase> Phrases, ImmutableArray<ProbedPhrase> Removed, double? EvidenceLeft = null, bool ByPurification = false)
{
    /// <summary>The removed phrases as one text, "cf, mn"; empty when there are none.</summary>
    public string RemovedText => string.Join(", ", Removed.Select(p => p.Text));
}
