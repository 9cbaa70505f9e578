namespace FineMixing.Purification;

/// <summary>A token in E-PUR's ranking.</summary>
/// <param name="Rank">From 1, the most suspicious.</param>
/// <param name="Id">The token's id: the row of the embedding matrix.</param>
/// <param name="Token">Its text.</param>
/// <param name="Score">Drift / ln(max(frequency, 20)).</param>
/// <param name="Drift">The 2-norm of the difference between the suspect's and the base's row.</param>
/// <param name="Frequency">The count in the clean corpus; 0 where the table has none.</param>
public sealed record SuspiciousToken(int Rank, int Id, string Token, double Score, double Drift, long Frequency);
