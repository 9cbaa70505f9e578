using System.Collections.Immutable;

namespace FineMixing.Probing;

/// <summary>What a search for a trigger found.</summary>
/// <param name="Phrases">The phrases that were confirmed, those with the most evidence first.</param>
/// <param name="Triggers">
/// Those to take for triggers: every token that is a whole one (a backdoor may have several), else the one that holds the most of what was found, grown by common words; empty when no phrase has enough evidence.
/// </param>
public sealed record ProbeFindings(IReadOnlyList<ProbedPhrase> Phrases, ImmutableArray<ProbedPhrase> Triggers);
