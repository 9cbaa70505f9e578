using System.Buffers;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Text;
using FineMixing.Checkpoints;
using Microsoft.ML.Tokenizers;

namespace FineMixing.Tokenization;

/// <summary>The tokenizer of BERT models: words are cut into the longest pieces of a vocabulary; gives the ids of the Hugging Face implementation.</summary>
/// <remarks>
/// A special token written in the text, such as <c>[MASK]</c>, becomes that special token, as in the reference.
/// The pieces of a word come from Microsoft.ML.Tokenizers; the preparation of the text is ours, because the package's differs from the reference.
/// Safe to use from several threads.
/// </remarks>
public sealed class WordPieceTokenizer : ITextTokenizer
{
    private const int CachedWords = 1 << 16;
    private const int LongestCachedWord = 40;

    private readonly FrozenDictionary<string, int> _ids;
    private readonly IReadOnlyList<string> _tokens;
    private readonly (string Text, int Id)[] _writtenAsIs;
    private readonly SearchValues<string> _writtenAsIsSearch;
    private readonly BertTextNormalizer _normalizer;
    private readonly Microsoft.ML.Tokenizers.WordPieceTokenizer _pieces;
    private readonly int _longestWord;
    private readonly int _unknownId;
    private readonly int _classifyId;
    private readonly int _separateId;

    // Most words of a text are frequent ones: remembering their pieces makes tokenization several times faster.
    private readonly ConcurrentDictionary<string, int[]> _cache = new(StringComparer.Ordinal);
    private int _cached;

    private WordPieceTokenizer(WordPieceVocabulary vocabulary)
    {
        _tokens = vocabulary.Tokens;
        var ids = new Dictionary<string, int>(_tokens.Count, StringComparer.Ordinal);
        for (var i = 0; i < _tokens.Count; i++)
        {
            if (!ids.TryAdd(_tokens[i], i))
                throw new CheckpointFormatException($"the token '{_tokens[i]}' has the two ids {ids[_tokens[i]]} and {i}", vocabulary.File);
        }

        var missing = new[] { vocabulary.Unknown, vocabulary.Classify, vocabulary.Separate, vocabulary.Pad }.Where(token => !ids.ContainsKey(token)).Distinct().ToList();
        if (missing.Count > 0)
            throw new CheckpointFormatException($"the vocabulary of {_tokens.Count} tokens lacks {string.Join(", ", missing.Select(token => $"'{token}'"))}, which a BERT model needs", vocabulary.File);

        _ids = ids.ToFrozenDictionary(StringComparer.Ordinal);
        _unknownId = ids[vocabulary.Unknown];
        _classifyId = ids[vocabulary.Classify];
        _separateId = ids[vocabulary.Separate];
        PadId = ids[vocabulary.Pad];
        _longestWord = vocabulary.LongestWord;
        _writtenAsIs = [.. vocabulary.WrittenAsIs.Where(ids.ContainsKey).OrderByDescending(token => token.Length).ThenBy(token => token, StringComparer.Ordinal).Select(token => (token, ids[token]))];
        _writtenAsIsSearch = SearchValues.Create([.. _writtenAsIs.Select(token => token.Text)], StringComparison.Ordinal);

        // Tokens that somebody added are not among them: a trigger may be one.
        SpecialIds = new[] { vocabulary.Unknown, vocabulary.Classify, vocabulary.Separate, vocabulary.Pad, vocabulary.Mask }.Where(ids.ContainsKey).Select(token => ids[token])
            .Concat(Enumerable.Range(0, _tokens.Count).Where(id => IsReserved(_tokens[id])))
            .ToFrozenSet();
        _normalizer = new BertTextNormalizer(vocabulary.LowerCase, vocabulary.StripAccents ?? vocabulary.LowerCase, vocabulary.SplitChineseCharacters);
        _pieces = Microsoft.ML.Tokenizers.WordPieceTokenizer.Create(
            new MemoryStream(System.Text.Encoding.UTF8.GetBytes(string.Join('\n', _tokens) + "\n")),
            new WordPieceOptions
            {
                UnknownToken = vocabulary.Unknown,
                ContinuingSubwordPrefix = vocabulary.ContinuationPrefix,
                // The reference counts code points, the package UTF-16 units: the word is measured before it gets here.
                MaxInputCharsPerWord = 2 * vocabulary.LongestWord,
            });
    }

    /// <inheritdoc/>
    public int VocabularySize => _tokens.Count;

    /// <inheritdoc/>
    public int PadId { get; }

    /// <inheritdoc/>
    public IReadOnlySet<int> SpecialIds { get; }

    /// <summary>Reads the tokenizer of a Hugging Face model folder: tokenizer.json or else vocab.txt, with the settings of special_tokens_map.json and tokenizer_config.json.</summary>
    /// <param name="folder">The model folder.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">The folder has neither file.</exception>
    /// <exception cref="CheckpointFormatException">A file is broken, repeats a token or lacks a special token; the message names file and line.</exception>
    public static WordPieceTokenizer FromFolder(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return new WordPieceTokenizer(WordPieceVocabulary.FromFolder(folder));
    }

    /// <inheritdoc/>
    public string TokenOf(int id) => (uint)id < (uint)_tokens.Count
        ? _tokens[id]
        : throw new ArgumentOutOfRangeException(nameof(id), id, $"Token ids run from 0 to {_tokens.Count - 1}.");

    /// <inheritdoc/>
    public bool TryGetId(string token, out int id) => _ids.TryGetValue(token, out id);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The text cannot be cut to the length: the limit is too low, or the side that may not be cut is too long.</exception>
    public Encoding Encode(string text, string? textPair, int maxLength, Truncation truncation = Truncation.LongestFirst)
    {
        ArgumentNullException.ThrowIfNull(text);
        var specials = textPair is null ? 2 : 3;
        if (maxLength <= specials)
            throw new ArgumentOutOfRangeException(nameof(maxLength), $"The maximum length {maxLength} is too low: at least {specials + 1} ids are needed for {(textPair is null ? "a text" : "a pair")} with its special tokens.");
        var first = new List<int>();
        var second = new List<int>();
        AppendPieces(text, first);
        if (textPair is not null)
            AppendPieces(textPair, second);
        var (firstCount, secondCount) = PairTruncation.Lengths(first.Count, textPair is null ? null : second.Count, maxLength - specials, truncation);

        var ids = new int[firstCount + secondCount + specials];
        var types = new int[ids.Length];
        ids[0] = _classifyId;
        first.CopyTo(0, ids, 1, firstCount);
        ids[firstCount + 1] = _separateId;
        if (textPair is not null)
        {
            second.CopyTo(0, ids, firstCount + 2, secondCount);
            ids[^1] = _separateId;
            types.AsSpan(firstCount + 2).Fill(1);
        }

        return new Encoding(ids, types);
    }

    /// <summary>The ids of a text without the special tokens around it and without a limit.</summary>
    public IReadOnlyList<int> PiecesOf(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>();
        AppendPieces(text, ids);
        return ids;
    }

    private void AppendPieces(string text, List<int> ids)
    {
        var words = new List<string>();
        var start = 0;
        while (true)
        {
            var next = text.AsSpan(start).IndexOfAny(_writtenAsIsSearch);
            _normalizer.Split(next < 0 ? text.AsSpan(start) : text.AsSpan(start, next), words);
            foreach (var word in words)
                AppendWord(word, ids);
            words.Clear();
            if (next < 0)
                return;
            foreach (var (special, id) in _writtenAsIs)
            {
                if (!text.AsSpan(start + next).StartsWith(special, StringComparison.Ordinal))
                    continue;
                ids.Add(id);
                start += next + special.Length;
                break;
            }
        }
    }

    private void AppendWord(string word, List<int> ids)
    {
        if (_ids.TryGetValue(word, out var whole))
        {
            ids.Add(whole);
            return;
        }

        if (_cache.TryGetValue(word, out var known))
        {
            ids.AddRange(known);
            return;
        }

        var pieces = CodePoints(word) > _longestWord
            ? [_unknownId]
            : _pieces.EncodeToIds(word, considerPreTokenization: false, considerNormalization: false).ToArray();
        ids.AddRange(pieces);
        if (word.Length <= LongestCachedWord && Volatile.Read(ref _cached) < CachedWords && _cache.TryAdd(word, pieces))
            Interlocked.Increment(ref _cached);
    }

    private static int CodePoints(string word)
    {
        var count = 0;
        foreach (var _ in word.EnumerateRunes())
            count++;
        return count;
    }

    private static bool IsReserved(string token) =>
        token.StartsWith("[unused", StringComparison.Ordinal) && token.EndsWith(']') && token.AsSpan(7, token.Length - 8).IndexOfAnyExceptInRange('0', '9') < 0;
}
