namespace FineMixing.Tokenization;

/// <summary>Which side loses tokens when a text or pair is too long.</summary>
public enum Truncation
{
    /// <summary>The longer side until both are equal, then both; of an odd room the longer side keeps one more (the second when equal).</summary>
    LongestFirst,

    /// <summary>Only the first text.</summary>
    OnlyFirst,

    /// <summary>Only the second text.</summary>
    OnlySecond,
}

/// <summary>Token ids with special tokens, and the token type (segment) of each; both of the same length.</summary>
/// <param name="Ids">Token ids.</param>
/// <param name="TypeIds">0 for the first text and its special tokens, 1 for the second.</param>
public sealed record Encoding(int[] Ids, int[] TypeIds)
{
    /// <summary>The number of tokens.</summary>
    public int Length => Ids.Length;
}

/// <summary>Turns text into the ids a model was trained on. Implementations are safe to use from several threads.</summary>
public interface ITextTokenizer
{
    /// <summary>The number of ids, from 0.</summary>
    int VocabularySize { get; }

    /// <summary>The id that fills short rows of a batch.</summary>
    int PadId { get; }

    /// <summary>Ids of [CLS], [SEP], [PAD], [MASK], [UNK] or their counterparts, and of reserved entries such as [unusedN]: tokens no corpus counts.</summary>
    IReadOnlySet<int> SpecialIds { get; }

    /// <summary>Encodes a text or pair, with special tokens.</summary>
    /// <param name="text">The first text.</param>
    /// <param name="textPair">The second, or null.</param>
    /// <param name="maxLength">The most ids returned, special tokens included; at least 3 (4 for a pair).</param>
    /// <param name="truncation">What is cut when it does not fit.</param>
    Encoding Encode(string text, string? textPair, int maxLength, Truncation truncation = Truncation.LongestFirst);

    /// <summary>The token of an id, for example <c>##ing</c>.</summary>
    string TokenOf(int id);

    /// <summary>The id of a token, if the vocabulary has it.</summary>
    bool TryGetId(string token, out int id);
}
