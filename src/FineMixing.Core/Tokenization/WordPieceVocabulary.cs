using System.Text;
using System.Text.Json;
using FineMixing.Checkpoints;

namespace FineMixing.Tokenization;

/// <summary>The tokens of a BERT model and how its text is prepared, read from a Hugging Face model folder.</summary>
internal sealed class WordPieceVocabulary
{
    public required IReadOnlyList<string> Tokens { get; init; }

    public required string File { get; init; }

    public bool LowerCase { get; set; } = true;

    /// <summary>Null: as <see cref="LowerCase"/>, which is what BERT does when nothing is said.</summary>
    public bool? StripAccents { get; set; }

    public bool SplitChineseCharacters { get; set; } = true;

    public string Unknown { get; set; } = "[UNK]";

    public string Classify { get; set; } = "[CLS]";

    public string Separate { get; set; } = "[SEP]";

    public string Pad { get; set; } = "[PAD]";

    public string Mask { get; set; } = "[MASK]";

    public string ContinuationPrefix { get; set; } = "##";

    public int LongestWord { get; set; } = 100;

    /// <summary>Tokens that are found in the text as they are written, before anything else.</summary>
    public HashSet<string> WrittenAsIs { get; } = new(StringComparer.Ordinal);

    public static WordPieceVocabulary FromFolder(string folder)
    {
        var json = Path.Combine(folder, "tokenizer.json");
        var text = Path.Combine(folder, "vocab.txt");
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"There is no model folder '{folder}'.");
        WordPieceVocabulary vocabulary;
        if (System.IO.File.Exists(json))
            vocabulary = FromTokenizerJson(json);
        else if (System.IO.File.Exists(text))
            vocabulary = FromVocabularyFile(text, Path.Combine(folder, "added_tokens.json"));
        else
            throw new FileNotFoundException($"The model folder '{folder}' has neither tokenizer.json nor vocab.txt, so its text cannot be tokenized.", text);
        vocabulary.ApplySettings(Path.Combine(folder, "special_tokens_map.json"));
        vocabulary.ApplySettings(Path.Combine(folder, "tokenizer_config.json"));
        foreach (var special in new[] { vocabulary.Unknown, vocabulary.Classify, vocabulary.Separate, vocabulary.Pad, vocabulary.Mask })
            vocabulary.WrittenAsIs.Add(special);
        return vocabulary;
    }

    private static WordPieceVocabulary FromVocabularyFile(string file, string addedFile)
    {
        var bytes = System.IO.File.ReadAllBytes(file);
        string content;
        try
        {
            content = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException exception)
        {
            throw new CheckpointFormatException("the vocabulary is not UTF-8 text", file, exception.Index, innerException: exception);
        }

        // One token a line, split at \n only: some vocabularies hold other line separators as tokens.
        var lines = content.Split('\n').Select(line => line.TrimEnd('\r')).ToList();
        if (lines.Count > 0 && lines[^1].Length == 0)
            lines.RemoveAt(lines.Count - 1);
        var seen = new Dictionary<string, int>(lines.Count, StringComparer.Ordinal);
        for (var i = 0; i < lines.Count; i++)
        {
            if (lines[i].Length == 0)
                throw new CheckpointFormatException($"line {i + 1} of the vocabulary is empty; each line must be one token", file);
            if (!seen.TryAdd(lines[i], i))
                throw new CheckpointFormatException($"line {i + 1} of the vocabulary repeats the token '{Shorten(lines[i])}' of line {seen[lines[i]] + 1}", file);
        }

        var added = AddedTokens(addedFile, lines.Count, seen);
        var result = new WordPieceVocabulary { Tokens = [.. lines, .. added], File = file };
        result.WrittenAsIs.UnionWith(added);
        return result;
    }

    // What tokenizers without a tokenizer.json keep beside the vocabulary: an object of token and id. Ids follow on the vocabulary's; a token that is in it already only has to agree.
    private static List<string> AddedTokens(string file, int first, Dictionary<string, int> known)
    {
        if (!System.IO.File.Exists(file))
            return [];
        using var document = ParseJson(file);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
            throw new CheckpointFormatException("a JSON object of token and id is expected", file);
        var byId = new SortedDictionary<int, string>();
        foreach (var entry in document.RootElement.EnumerateObject())
        {
            if (entry.Name.Length == 0 || entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out var id))
                throw new CheckpointFormatException($"the token '{Shorten(entry.Name)}' has no whole number as its id", file);
            if (known.TryGetValue(entry.Name, out var own) ? own != id : !byId.TryAdd(id, entry.Name))
                throw new CheckpointFormatException($"the token '{Shorten(entry.Name)}' has the id {id}, which is taken, or another one in the vocabulary", file);
        }

        foreach (var (id, index) in byId.Keys.Select((id, index) => (id, index)))
        {
            if (id != first + index)
                throw new CheckpointFormatException($"the added tokens have no id {first + index}; ids must follow on those of the vocabulary ({first} tokens) without gaps", file);
        }

        return [.. byId.Values];
    }

    private static WordPieceVocabulary FromTokenizerJson(string file)
    {
        using var document = ParseJson(file);
        var root = document.RootElement;
        if (!TryObject(root, "model", out var model) || !TryObject(model, "vocab", out var vocab))
            throw new CheckpointFormatException("there is no object 'model' with an object 'vocab'; a BERT tokenizer has a WordPiece model", file);
        if (Text(model, "type") is { } type && type != "WordPiece")
            throw new CheckpointFormatException($"the tokenizer model is '{Shorten(type)}'; only 'WordPiece' is supported here", file);

        var tokens = new SortedDictionary<int, string>();
        foreach (var entry in vocab.EnumerateObject())
            AddToken(entry.Name, entry.Value);
        var written = new List<string>();
        if (root.TryGetProperty("added_tokens", out var added) && added.ValueKind == JsonValueKind.Array)
        {
            foreach (var token in added.EnumerateArray())
            {
                if (token.ValueKind != JsonValueKind.Object || Text(token, "content") is not { Length: > 0 } content || !token.TryGetProperty("id", out var id))
                    throw new CheckpointFormatException("an entry of 'added_tokens' has no 'content' or no 'id'", file);
                AddToken(content, id);
                written.Add(content);
            }
        }

        var expected = 0;
        foreach (var id in tokens.Keys)
        {
            if (id != expected++)
                throw new CheckpointFormatException($"the vocabulary has no token with id {expected - 1}; ids must run from 0 without gaps", file);
        }

        var result = new WordPieceVocabulary { Tokens = [.. tokens.Values], File = file };
        result.WrittenAsIs.UnionWith(written);
        result.Unknown = Text(model, "unk_token") ?? result.Unknown;
        result.ContinuationPrefix = Text(model, "continuing_subword_prefix") ?? result.ContinuationPrefix;
        if (model.TryGetProperty("max_input_chars_per_word", out var longest))
        {
            // Bounded because the package keeps this much on the stack.
            if (longest.ValueKind != JsonValueKind.Number || !longest.TryGetInt32(out var characters) || characters is < 1 or > 1000)
                throw new CheckpointFormatException("'max_input_chars_per_word' is not a whole number from 1 to 1000", file);
            result.LongestWord = characters;
        }

        if (TryObject(root, "normalizer", out var normalizer))
        {
            if (Text(normalizer, "type") is var kind && kind != "BertNormalizer")
                throw new CheckpointFormatException($"the normalizer is '{Shorten(kind ?? "?")}'; only 'BertNormalizer' is supported", file);
            result.LowerCase = Flag(normalizer, "lowercase") ?? true;
            result.StripAccents = Flag(normalizer, "strip_accents");
            result.SplitChineseCharacters = Flag(normalizer, "handle_chinese_chars") ?? true;
        }

        return result;

        void AddToken(string token, JsonElement value)
        {
            if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out var id) || id < 0)
                throw new CheckpointFormatException($"the id of the token '{Shorten(token)}' is not a whole number from 0", file);
            if (!tokens.TryAdd(id, token) && tokens[id] != token)
                throw new CheckpointFormatException($"the tokens '{Shorten(tokens[id])}' and '{Shorten(token)}' have the same id {id}", file);
        }
    }

    private void ApplySettings(string file)
    {
        if (!System.IO.File.Exists(file))
            return;
        using var document = ParseJson(file);
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
            throw new CheckpointFormatException("the file is not a JSON object", file);
        LowerCase = Flag(root, "do_lower_case") ?? LowerCase;
        StripAccents = Flag(root, "strip_accents") ?? StripAccents;
        SplitChineseCharacters = Flag(root, "tokenize_chinese_chars") ?? SplitChineseCharacters;
        Unknown = SpecialToken(root, "unk_token") ?? Unknown;
        Classify = SpecialToken(root, "cls_token") ?? Classify;
        Separate = SpecialToken(root, "sep_token") ?? Separate;
        Pad = SpecialToken(root, "pad_token") ?? Pad;
        Mask = SpecialToken(root, "mask_token") ?? Mask;
    }

    // Written either as a string or, by older tools, as an object with the string in "content".
    private static string? SpecialToken(JsonElement root, string name) => TryObject(root, name, out var token) ? Text(token, "content") : Text(root, name);

    private static JsonDocument ParseJson(string file)
    {
        try
        {
            return JsonDocument.Parse(System.IO.File.ReadAllBytes(file));
        }
        catch (JsonException exception)
        {
            throw new CheckpointFormatException($"not valid JSON (line {exception.LineNumber + 1})", file, innerException: exception);
        }
    }

    private static bool TryObject(JsonElement parent, string name, out JsonElement value)
    {
        value = default;
        return parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out value) && value.ValueKind == JsonValueKind.Object;
    }

    private static string? Text(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static bool? Flag(JsonElement parent, string name) => parent.TryGetProperty(name, out var value)
        ? value.ValueKind switch { JsonValueKind.True => true, JsonValueKind.False => false, _ => null }
        : null;

    private static string Shorten(string token) => token.Length > 50 ? token[..50] + "…" : token;
}
