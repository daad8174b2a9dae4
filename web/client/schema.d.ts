// Types of every request and answer of `phiz serve`, made from docs/reference/openapi.json by `npm run types`. Do not edit.

export interface paths {
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say that the process lives */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Figures for Prometheus */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say whether requests are taken on */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List who did what, latest first */
        get: {
            parameters: {
                query?: {
                    /** @description How many items; 100 unless it is set */
                    limit?: number;
                    /** @description Where to go on: `next` of the part before */
                    cursor?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_AuditEntry"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/compare": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Compare two templates */
        post: {
            parameters: {
                query?: {
                    /** @description False match rate; 0.001 unless it is set */
                    fmr?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Compare"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Verified"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/detect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Find the faces in a photo */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PhotoJson"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotoForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Detected"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/embed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Describe the faces in a photo by their templates */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PhotoJson"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotoForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["EmbeddedPhoto"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/faces/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a face */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example f1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["StoredFace"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Remove a face; this can be undone */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example f1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/faces/{id}/crop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show the picture of a face: aligned, 112×112 pixels */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example f1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "image/jpeg": number[];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/faces/{id}/move": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give a face to another person */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example f1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["MoveTo"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["MovedFace"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/faces/{id}/not": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say that a face is not its person */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example f1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["NewNegative"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/galleries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the galleries that the caller may use */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_GalleryHead"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Make a gallery */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewGallery"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["GalleryHead"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a gallery in figures */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["GalleryFigures"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery/backup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Download a copy of the gallery as it is now, sealed as it is: its key opens it */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/octet-stream": number[];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery/calibration": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say whether rates were measured on this gallery */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["CalibrationState"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Measure rates on this gallery's own people, and decide by them from then on */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        /** Forget the measured rates: the model's own hold again */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery/evaluation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Measure how well this gallery recognises its own people */
        post: {
            parameters: {
                query?: {
                    /** @description False positive identification rate; 0.01 unless it is set */
                    fpir?: number;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery/purge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Destroy what was removed, and prove that it is gone */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": null | components["schemas"]["PurgeWhat"];
                };
            };
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/gallery/rates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say what a rate means in this gallery */
        get: {
            parameters: {
                query?: {
                    /** @description False positive identification rate; 0.01 unless it is set */
                    fpir?: number;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Rates"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what can be undone, latest first */
        get: {
            parameters: {
                query?: {
                    /** @description How many items; 100 unless it is set */
                    limit?: number;
                    /** @description Where to go on: `next` of the part before */
                    cursor?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Operation"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/identify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say whose faces a photo shows */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                    /** @description False positive identification rate; 0.01 unless it is set */
                    fpir?: number;
                    /** @description Instead: false match rate of each comparison */
                    fmr?: number;
                    /** @description Only people on this watch list */
                    list?: string;
                    /** @description How many candidates are listed for each face; 5 unless it is set */
                    top?: number;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PhotoJson"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotoForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["IdentifiedPhoto"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List jobs, latest first */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a job */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @example j1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** End a job at its next step */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @example j1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Job"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/jobs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follow a job: events `progress`, at the end `done`, `failed` or `cancelled` */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @example j1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": string;
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List keys */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_KeyInfo"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Make a key; it is shown this once */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewKey"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["MadeKey"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Take a key back */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @example k1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/lists": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the watch lists */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_WatchList"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/negatives/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Take back that a face is not a person */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example n1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/passphrase": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Set another passphrase; all sessions end */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewPassphrase"];
                };
            };
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List people */
        get: {
            parameters: {
                query?: {
                    /** @description Only people whose name contains this */
                    q?: string;
                    /** @description Only people of exactly this name, whatever its case */
                    name?: string;
                    /** @description Only people on this watch list */
                    list?: string;
                    /** @description Only people with this attribute, as `KEY=VALUE` */
                    attribute?: string;
                    /** @description How many items; 100 unless it is set */
                    limit?: number;
                    /** @description Where to go on: `next` of the part before */
                    cursor?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Person"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Make a person */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewPerson"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ChangedPerson"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a person */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Person"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Remove a person with all faces; this can be undone */
        delete: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        /** Change a person's name, attributes or watch lists */
        patch: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PersonChange"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ChangedPerson"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/v1/people/{id}/faces": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List a person's faces */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_StoredFace"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Add faces to a person from photos */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                    /** @description On what ground the faces are kept, in the words of whoever enrols them */
                    consent?: string;
                    /** @description Whether faces that are small, blurred or dark are taken, too */
                    force?: boolean;
                    /** @description Whether a picture of the face is kept; true unless it is set */
                    crop?: boolean;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PhotosJson"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotosForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["EnrolledPhotos"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}/merge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Merge people who are one person */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Merge"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["MergedPerson"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}/negatives": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what is said not to be a person */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Negative"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Say that a face is not a person */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NotFace"];
                    "application/octet-stream": Blob;
                    "multipart/form-data": components["schemas"]["PhotoForm"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["NewNegative"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}/picture": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show the picture of a person's best face */
        get: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "image/jpeg": number[];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}/restore": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Restore a person who was removed */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Person"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/people/{id}/split": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Split some faces of a person off as a new person */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path: {
                    /** @example p1 */
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Split"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ChangedPerson"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show the session */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionInfo"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        /** Sign in */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["LogIn"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionInfo"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        /** Sign out */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/setup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Set the first passphrase, with the code that the terminal shows */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Setup"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionInfo"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Say whether the server is set up, and who asks */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Status"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/undo": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Undo a change, the latest if none is named */
        post: {
            parameters: {
                query?: {
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": null | components["schemas"]["Undo"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Undone"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say whether two photos show the same person, or whether a photo shows a person of the gallery */
        post: {
            parameters: {
                query?: {
                    /** @description Smallest face worth finding, in pixels; 20 unless it is set */
                    min_face?: number;
                    /** @description Least score that counts as a face */
                    score?: number;
                    /** @description Whether photos that lie on their side without saying so are turned */
                    rotate?: boolean;
                    /** @description Which face is meant where one is needed: `dominant`, `largest`, or its number */
                    face?: string;
                    /** @description Instead: the face at this point, as `X,Y` in pixels */
                    at?: string;
                    /** @description False match rate; 0.001 unless it is set */
                    fmr?: number;
                    /**
                     * @description Compare `photo` with this person instead of `a` with `b`
                     * @example p1
                     */
                    person?: string;
                    /** @description The gallery that is meant; `main` unless it is set. Also as header Phiz-Gallery */
                    gallery?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PairJson"];
                    "multipart/form-data": components["schemas"]["PairForm"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Verified"];
                    };
                };
                /** @description An error: see the table of codes */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ErrorBody"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Who did what. */
        AuditEntry: {
            /**
             * Format: int64
             * @description When, in seconds since 1970.
             */
            at: number;
            /** @description The gallery; null where none is meant. */
            gallery?: string | null;
            /** @description The request. */
            request_id: string;
            /**
             * Format: int32
             * @description The HTTP status that was answered.
             */
            status: number;
            /** @description The id in the route; null if it has none. */
            subject?: string | null;
            /** @description Method and route. */
            what: string;
            /** @description A key's id, `session`, `setup` or `nobody`. */
            who: string;
        };
        /** @description What was measured on a gallery. */
        CalibrationFigures: {
            /**
             * Format: int64
             * @description When, in seconds since 1970.
             */
            at: number;
            /**
             * Format: int64
             * @description How many comparisons of different people.
             */
            comparisons: number;
            /** @description How many people there were. */
            people: number;
            /**
             * Format: double
             * @description Independent comparisons that one comparison in a search amounts to.
             */
            share: number;
        };
        /** @description What was measured on a gallery, if anything was. */
        CalibrationState: {
            calibration?: null | components["schemas"]["CalibrationFigures"];
        };
        /** @description A person whom a face resembles. */
        Candidate: {
            /**
             * Format: double
             * @description False match rate: the share of pairs of different people that are as similar or more.
             */
            fmr: number;
            /**
             * Format: double
             * @description False positive identification rate: the chance that a stranger resembles anybody among those searched as much.
             */
            fpir: number;
            /**
             * @description The person.
             * @example p1
             */
            id: string;
            /** @description The person's name. */
            person: string;
            /**
             * Format: float
             * @description Cosine between the face and the person's faces, combined; −1 to 1.
             */
            similarity: number;
        };
        /** @description A person after a change, and the operation that takes it back. */
        ChangedPerson: components["schemas"]["Person"] & {
            /**
             * @description The operation to undo.
             * @example o1
             */
            operation: string;
        };
        /** @enum {string} */
        Code: "bad_request" | "bad_id" | "bad_cursor" | "bad_host" | "unauthorised" | "setup_needed" | "wrong_passphrase" | "csrf" | "forbidden" | "not_found" | "no_person" | "no_face_id" | "no_negative" | "no_operation" | "no_gallery" | "no_job" | "no_key" | "no_picture" | "method_not_allowed" | "timeout" | "conflict" | "changed_since" | "said_not_to_be" | "several_people" | "setup_done" | "too_few_people" | "idempotency_running" | "idempotency_lost" | "too_large_body" | "wrong_type" | "idempotency_mismatch" | "bad_name" | "bad_value" | "unknown_format" | "damaged" | "too_large" | "unusable" | "no_face" | "several_faces" | "no_such_face" | "face_too_small" | "face_too_poor" | "refused" | "too_many_requests" | "too_many_attempts" | "header_too_large" | "internal" | "overloaded" | "stopping" | "too_slow" | "busy" | "storage";
        /** @description Two templates to be compared. */
        Compare: {
            /** @description Base64 of little-endian f32 values, as `embed` answers it. */
            a: string;
            /** @description The other. */
            b: string;
            /** @description The model that made them. */
            model: string;
        };
        /**
         * @description Kind of decision about a face.
         * @enum {string}
         */
        DecisionKind: "match" | "ambiguous" | "unknown";
        /** @description What a photo shows: its size as it is seen (upright) and its faces, from the largest to the smallest. */
        Detected: {
            /** @description The faces. */
            faces: components["schemas"]["Face"][];
            /**
             * Format: int32
             * @description Rows.
             */
            height: number;
            /**
             * Format: int32
             * @description Columns.
             */
            width: number;
        };
        /** @description A change was made. */
        Done: {
            /**
             * @description The operation to undo.
             * @example o1
             */
            operation: string;
        };
        /** @description Why somebody should look at a face that was enrolled. */
        DoubtAbout: {
            /** @enum {string} */
            kind: "unlike";
            /**
             * Format: float
             * @description How much it resembles the person's other faces, combined.
             */
            like_own: number;
            nearest?: null | components["schemas"]["Candidate"];
        } | {
            /** @enum {string} */
            kind: "also_like";
            /** @description The most similar other person. */
            other: components["schemas"]["Candidate"];
        };
        /** @description A face with its template. */
        Embedded: components["schemas"]["Face"] & {
            /** @description Base64 of the template's values, each a little-endian f32. */
            template: string;
        };
        /** @description A photo and the templates of its faces. */
        EmbeddedPhoto: {
            /** @description Values of a template. */
            dim: number;
            /** @description The faces. */
            faces: components["schemas"]["Embedded"][];
            /**
             * Format: int32
             * @description Rows.
             */
            height: number;
            /** @description The model that made the templates: only those of one model can be compared. */
            model: string;
            /**
             * Format: int32
             * @description Columns.
             */
            width: number;
        };
        /** @description What became of one photo: `face` if the person has the face now, `error` if not. */
        EnrolledPhoto: {
            doubt?: null | components["schemas"]["DoubtAbout"];
            error?: null | components["schemas"]["ItemError"];
            /**
             * @description The face.
             * @example f1
             */
            face?: string | null;
            /**
             * @description The same face, if the person had it already.
             * @example f1
             */
            known?: string | null;
            /**
             * Format: float
             * @description How much it resembles the person's other faces, combined; null if it is the first.
             */
            like_own?: number | null;
            /** @description Other people whom the face resembles more than by chance, the most similar first. */
            similar?: components["schemas"]["Candidate"][] | null;
            /** @description The photo's name, as it was sent. */
            source: string;
        };
        /** @description What became of photos of a person. */
        EnrolledPhotos: {
            /**
             * @description The operation to undo; null if nothing was stored.
             * @example o1
             */
            operation?: string | null;
            /** @description The person as they are now. */
            person: components["schemas"]["Person"];
            /** @description One result for each photo, in their order. */
            photos: components["schemas"]["EnrolledPhoto"][];
        };
        /** @description The body of every answer that is an error. */
        ErrorBody: {
            /** @description The error. */
            error: components["schemas"]["ErrorFields"];
        };
        /** @description What an error says. */
        ErrorFields: components["schemas"]["ItemError"] & {
            /** @description The request, as the server's log and the header `X-Request-Id` name it. */
            request_id: string;
        };
        /** @description A face in a photo, in pixels of the upright photo. A box may reach outside the photo where a face is cut off. */
        Face: {
            /** @description Left, top, width, height. */
            box: [
                number,
                number,
                number,
                number
            ];
            /** @description The same as shares of the photo's width and height. */
            box_share: [
                number,
                number,
                number,
                number
            ];
            /** @description The person's right eye, left eye, nose tip, right and left corner of the mouth. */
            landmarks: [
                number,
                number
            ][];
            /** @description How the head is turned. */
            pose: components["schemas"]["Pose"];
            /**
             * Format: float
             * @description How much the face is worth to recognition, 0 to 1.
             */
            quality: number;
            /**
             * Format: float
             * @description How sure the detector is, 0 to 1.
             */
            score: number;
        };
        /** @description A gallery in figures. */
        GalleryFigures: {
            /**
             * Format: int64
             * @description When rates were measured on this gallery, in seconds since 1970.
             */
            calibrated?: number | null;
            /**
             * Format: int64
             * @description Faces of which a picture is kept.
             */
            crops: number;
            /** @description Values that a template has. */
            dim: number;
            /**
             * Format: int64
             * @description Faces.
             */
            faces: number;
            /** @description The model that it is bound to. */
            model: string;
            /** @description Its name. */
            name: string;
            /**
             * Format: int64
             * @description Faces that are said not to be somebody.
             */
            negatives: number;
            /**
             * Format: int64
             * @description Operations that can be undone.
             */
            operations: number;
            /**
             * Format: int64
             * @description People.
             */
            people: number;
            /**
             * Format: int64
             * @description People without a face, who cannot be recognised.
             */
            people_without_faces: number;
            /**
             * Format: int64
             * @description Faces that wait to be restored or destroyed.
             */
            removed_faces: number;
            /** @description Whether what lies on the disk is sealed. */
            sealed: boolean;
            /**
             * Format: int32
             * @description For how many days what was removed can be restored.
             */
            undo_days: number;
        };
        /** @description A gallery among others. */
        GalleryHead: {
            /**
             * Format: int64
             * @description How many faces it holds.
             */
            faces: number;
            /** @description Its name. */
            name: string;
            /**
             * Format: int64
             * @description How many people it holds.
             */
            people: number;
        };
        /** @description A face and who it is. */
        Identified: components["schemas"]["Face"] & {
            /** @description The most similar people whatever the decision, by falling similarity: not an answer. */
            candidates: components["schemas"]["Candidate"][];
            /** @description The kind of decision. */
            decision: components["schemas"]["DecisionKind"];
            /** @description The person's name; null unless it is a match. */
            person?: string | null;
            /**
             * Format: double
             * @description The similarity that a match needs.
             */
            threshold: number;
            /** @description Of the candidates, how many are too alike to tell; 0 unless the decision is ambiguous. */
            tied: number;
        };
        /** @description A photo and whose faces it shows. */
        IdentifiedPhoto: {
            /** @description The faces. */
            faces: components["schemas"]["Identified"][];
            /**
             * Format: int32
             * @description Rows.
             */
            height: number;
            /**
             * Format: int32
             * @description Columns.
             */
            width: number;
        };
        /** @description Why one item of several was not done. */
        ItemError: {
            /** @description Names the error for programs. */
            code: components["schemas"]["Code"];
            /** @description What programs may want to know beside. */
            details?: unknown;
            /** @description What is wrong. */
            message: string;
            /** @description What can be done about it. */
            remedy: string;
        };
        /** @description Long work, as it stands. */
        Job: {
            /**
             * Format: int64
             * @description When it was asked for, in seconds since 1970.
             */
            created: number;
            /**
             * Format: int64
             * @description Steps that are done.
             */
            done: number;
            error?: null | components["schemas"]["ItemError"];
            /**
             * Format: int64
             * @description When it ended.
             */
            finished?: number | null;
            /** @description The gallery. */
            gallery: string;
            /** @description Its id, such as `j1`. */
            id: string;
            /** @description What it does. */
            kind: components["schemas"]["JobKind"];
            /** @description The result, which depends on the kind. */
            result?: unknown;
            /**
             * Format: double
             * @description Seconds that are left, if that can be told.
             */
            seconds_left?: number | null;
            /** @description How far it is. */
            state: components["schemas"]["JobState"];
            /**
             * Format: int64
             * @description All steps; 0 while that is not known.
             */
            total: number;
        };
        /**
         * @description What a job does.
         * @enum {string}
         */
        JobKind: "calibrate" | "evaluate" | "purge";
        /**
         * @description How far a job is.
         * @enum {string}
         */
        JobState: "waiting" | "running" | "done" | "failed" | "cancelled";
        /** @description A key, without what it consists of: that is shown once. */
        KeyInfo: {
            /**
             * Format: int64
             * @description When it was made, in seconds since 1970.
             */
            created: number;
            /** @description The galleries that it is confined to; null for all. */
            galleries?: string[] | null;
            /** @description Its id, such as `k3`. */
            id: string;
            /**
             * Format: int64
             * @description When it was last used; null if never.
             */
            last_used?: number | null;
            /** @description What it is for, in the words of whoever made it; may be empty. */
            name: string;
            /** @description What it allows. */
            scope: components["schemas"]["Scope"];
        };
        /** @description A list, or a part of it. */
        List_AuditEntry: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When, in seconds since 1970.
                 */
                at: number;
                /** @description The gallery; null where none is meant. */
                gallery?: string | null;
                /** @description The request. */
                request_id: string;
                /**
                 * Format: int32
                 * @description The HTTP status that was answered.
                 */
                status: number;
                /** @description The id in the route; null if it has none. */
                subject?: string | null;
                /** @description Method and route. */
                what: string;
                /** @description A key's id, `session`, `setup` or `nobody`. */
                who: string;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_GalleryHead: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description How many faces it holds.
                 */
                faces: number;
                /** @description Its name. */
                name: string;
                /**
                 * Format: int64
                 * @description How many people it holds.
                 */
                people: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Job: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When it was asked for, in seconds since 1970.
                 */
                created: number;
                /**
                 * Format: int64
                 * @description Steps that are done.
                 */
                done: number;
                error?: null | components["schemas"]["ItemError"];
                /**
                 * Format: int64
                 * @description When it ended.
                 */
                finished?: number | null;
                /** @description The gallery. */
                gallery: string;
                /** @description Its id, such as `j1`. */
                id: string;
                /** @description What it does. */
                kind: components["schemas"]["JobKind"];
                /** @description The result, which depends on the kind. */
                result?: unknown;
                /**
                 * Format: double
                 * @description Seconds that are left, if that can be told.
                 */
                seconds_left?: number | null;
                /** @description How far it is. */
                state: components["schemas"]["JobState"];
                /**
                 * Format: int64
                 * @description All steps; 0 while that is not known.
                 */
                total: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_KeyInfo: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When it was made, in seconds since 1970.
                 */
                created: number;
                /** @description The galleries that it is confined to; null for all. */
                galleries?: string[] | null;
                /** @description Its id, such as `k3`. */
                id: string;
                /**
                 * Format: int64
                 * @description When it was last used; null if never.
                 */
                last_used?: number | null;
                /** @description What it is for, in the words of whoever made it; may be empty. */
                name: string;
                /** @description What it allows. */
                scope: components["schemas"]["Scope"];
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Negative: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When it was said, in seconds since 1970.
                 */
                added: number;
                /**
                 * @description The id.
                 * @example n1
                 */
                id: string;
                /**
                 * @description The person who the face is not.
                 * @example p1
                 */
                person: string;
                /** @description SHA-256 of the photo's file. */
                photo?: string | null;
                /** @description Where the photo is from. */
                source?: string | null;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Operation: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When, in seconds since 1970.
                 */
                at: number;
                /** @description The kind's own fields. */
                details: unknown;
                /**
                 * @description The id.
                 * @example o1
                 */
                id: string;
                /** @description What, for programs. */
                kind: string;
                /** @description What, as an English sentence without names. */
                what: string;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_Person: {
            /** @description The items. */
            items: {
                /** @description Any text under any key. */
                attributes: {
                    [key: string]: string;
                };
                /**
                 * Format: int64
                 * @description When they were enrolled, in seconds since 1970.
                 */
                created: number;
                /** @description How many faces they have. */
                faces: number;
                /**
                 * @description The id.
                 * @example p1
                 */
                id: string;
                /** @description Watch lists that the person is on. */
                lists: string[];
                /** @description The name; empty if nobody knows it. */
                name: string;
                /** @description How many faces are said not to be this person. */
                negatives: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_StoredFace: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description When it was enrolled, in seconds since 1970.
                 */
                added: number;
                /** @description On what ground it is kept. */
                consent?: string | null;
                /** @description Whether a picture of it is kept. */
                crop: boolean;
                /**
                 * @description The id.
                 * @example f1
                 */
                id: string;
                /**
                 * @description The person whose face it is.
                 * @example p1
                 */
                person: string;
                /** @description SHA-256 of the photo's file. */
                photo?: string | null;
                /**
                 * Format: float
                 * @description How much it is worth to recognition, 0 to 1.
                 */
                quality: number;
                /** @description Where the photo is from. */
                source?: string | null;
                /**
                 * Format: int64
                 * @description When the photo was taken, in seconds since 1970.
                 */
                taken?: number | null;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A list, or a part of it. */
        List_WatchList: {
            /** @description The items. */
            items: {
                /** @description Its name. */
                name: string;
                /** @description How many people are on it. */
                people: number;
            }[];
            /** @description The cursor of what follows; null at the end. */
            next?: string | null;
        };
        /** @description A passphrase. */
        LogIn: {
            /** @description The passphrase. */
            passphrase: string;
        };
        /** @description A key, shown this once. */
        MadeKey: components["schemas"]["KeyInfo"] & {
            /** @description The key. */
            key: string;
        };
        /** @description People to be merged. */
        Merge: {
            /** @description The people who become the other, one or more. */
            from: string[];
        };
        /** @description A person after a merger. */
        MergedPerson: components["schemas"]["Person"] & {
            /** @description The operations to undo, the last first. */
            operations: string[];
        };
        /** @description To whom a face is to be given. */
        MoveTo: {
            /**
             * @description The person.
             * @example p2
             */
            to: string;
        };
        /** @description A face after it was moved. */
        MovedFace: components["schemas"]["StoredFace"] & {
            /**
             * @description The operation to undo.
             * @example o1
             */
            operation: string;
        };
        /** @description A photo in base64, with its name. */
        NamedPhoto: {
            /** @description The picture in base64. */
            photo: string;
            /** @description Its name. */
            source?: string | null;
        };
        /** @description "This face is not that person." */
        Negative: {
            /**
             * Format: int64
             * @description When it was said, in seconds since 1970.
             */
            added: number;
            /**
             * @description The id.
             * @example n1
             */
            id: string;
            /**
             * @description The person who the face is not.
             * @example p1
             */
            person: string;
            /** @description SHA-256 of the photo's file. */
            photo?: string | null;
            /** @description Where the photo is from. */
            source?: string | null;
        };
        /** @description A gallery to be made. */
        NewGallery: {
            /** @description Its name: a to z, 0 to 9, `-` and `_`, 40 at the most. */
            name: string;
        };
        /** @description A key to be made. */
        NewKey: {
            /** @description The galleries that it is confined to; all if it is left out. */
            galleries?: string[] | null;
            /** @description What it is for. */
            name?: string;
            /** @description What it allows. */
            scope: components["schemas"]["Scope"];
        };
        /** @description A negative that was noted. */
        NewNegative: {
            /**
             * @description The negative.
             * @example n1
             */
            negative: string;
            /**
             * @description The operation to undo.
             * @example o1
             */
            operation: string;
        };
        /** @description Another passphrase. */
        NewPassphrase: {
            /** @description The one that is to hold, 12 characters or more. */
            new: string;
            /** @description The passphrase that holds. */
            old: string;
        };
        /** @description A person to be made. */
        NewPerson: {
            /** @description Any text under any key. */
            attributes?: {
                [key: string]: string;
            };
            /** @description Watch lists. */
            lists?: string[];
            /** @description The name. */
            name: string;
        };
        /** @description A face that is not the person. */
        NotFace: {
            /**
             * @description A face that was enrolled for the person.
             * @example f1
             */
            face: string;
        };
        /** @description Something that was done and can be undone. */
        Operation: {
            /**
             * Format: int64
             * @description When, in seconds since 1970.
             */
            at: number;
            /** @description The kind's own fields. */
            details: unknown;
            /**
             * @description The id.
             * @example o1
             */
            id: string;
            /** @description What, for programs. */
            kind: string;
            /** @description What, as an English sentence without names. */
            what: string;
        };
        /** @description A form with two photos, or with one that is compared with a person. */
        PairForm: {
            /**
             * Format: binary
             * @description The first picture.
             */
            a?: Blob;
            /**
             * Format: binary
             * @description The second picture.
             */
            b?: Blob;
            /**
             * Format: binary
             * @description The picture that is compared with a person.
             */
            photo?: Blob;
        };
        /** @description Two photos in base64, or one that is compared with a person. */
        PairJson: {
            /** @description The first picture in base64. */
            a?: string | null;
            /** @description The second picture in base64. */
            b?: string | null;
            /** @description The picture that is compared with a person, in base64. */
            photo?: string | null;
        };
        /** @description A person. */
        Person: {
            /** @description Any text under any key. */
            attributes: {
                [key: string]: string;
            };
            /**
             * Format: int64
             * @description When they were enrolled, in seconds since 1970.
             */
            created: number;
            /** @description How many faces they have. */
            faces: number;
            /**
             * @description The id.
             * @example p1
             */
            id: string;
            /** @description Watch lists that the person is on. */
            lists: string[];
            /** @description The name; empty if nobody knows it. */
            name: string;
            /** @description How many faces are said not to be this person. */
            negatives: number;
        };
        /** @description What to change of a person: what is left out stays as it is. */
        PersonChange: {
            /** @description All attributes. */
            attributes?: {
                [key: string]: string;
            } | null;
            /** @description All watch lists. */
            lists?: string[] | null;
            /** @description The name. */
            name?: string | null;
        };
        /** @description A form with one photo. */
        PhotoForm: {
            /**
             * Format: binary
             * @description The picture.
             */
            photo: Blob;
        };
        /** @description A photo in base64. */
        PhotoJson: {
            /** @description The picture in base64, or a `data:` URL. */
            photo: string;
        };
        /** @description A form with photos of one person. */
        PhotosForm: {
            /** @description The pictures. */
            photo: Blob[];
        };
        /** @description Photos of one person in base64. */
        PhotosJson: {
            /** @description The pictures. */
            photos: components["schemas"]["NamedPhoto"][];
        };
        /** @description How a head is turned, in degrees. */
        Pose: {
            /**
             * Format: double
             * @description Positive where the person looks up.
             */
            pitch: number;
            /**
             * Format: double
             * @description Positive where the head leans clockwise on the screen.
             */
            roll: number;
            /**
             * Format: double
             * @description Positive where the person looks towards the right side of the picture.
             */
            yaw: number;
        };
        /** @description What to destroy. */
        PurgeWhat: {
            /**
             * Format: int32
             * @description Only what was removed so many days ago or more; all if it is left out.
             */
            days?: number | null;
        };
        /** @description A similarity and the false match rate that it stands for. */
        RatePoint: {
            /**
             * Format: double
             * @description False match rate.
             */
            fmr: number;
            /**
             * Format: double
             * @description Similarity.
             */
            similarity: number;
        };
        /** @description What a rate means in this gallery. */
        Rates: {
            /**
             * Format: double
             * @description The false match rate of each comparison.
             */
            fmr: number;
            /**
             * Format: double
             * @description The false positive identification rate of a search.
             */
            fpir: number;
            /**
             * Format: double
             * @description The smallest false match rate that was measured; below it, rates are estimates.
             */
            least_measured: number;
            /**
             * Format: int64
             * @description People who are searched.
             */
            people: number;
            /** @description Measured similarities by falling rate. */
            points: components["schemas"]["RatePoint"][];
            /** @description `card` if the model's own rates hold, `measured` if they were measured on this gallery. */
            source: string;
            /**
             * Format: double
             * @description The similarity that a match needs.
             */
            threshold: number;
        };
        /**
         * @description What a caller may do; each scope holds those before it.
         * @enum {string}
         */
        Scope: "read" | "enrol" | "admin";
        /** @description A session. */
        SessionInfo: {
            /** @description What the header `Phiz-Csrf` must hold. */
            csrf: string;
            /**
             * Format: int64
             * @description When it ends unless it is used, in seconds since 1970.
             */
            expires: number;
            /** @description What the session may do. */
            scope: components["schemas"]["Scope"];
        };
        /** @description The first passphrase. */
        Setup: {
            /** @description The code that the terminal shows. */
            code: string;
            /** @description The passphrase, 12 characters or more. */
            passphrase: string;
        };
        /** @description Faces to be split off. */
        Split: {
            /** @description The faces of the new person, one or more. */
            faces: string[];
            /** @description The new person's name; nobody's if it is left out. */
            name?: string;
        };
        /** @description Whether somebody has to set the server up, and who asks. */
        Status: {
            /** @description Whether a passphrase exists. */
            passphrase: boolean;
            scope?: null | components["schemas"]["Scope"];
            /** @description Whether neither a passphrase nor a key exists. */
            setup_needed: boolean;
            /** @description Whether the request came with a session. */
            signed_in: boolean;
            /** @description The version of Phiz. */
            version: string;
        };
        /** @description An enrolled face. */
        StoredFace: {
            /**
             * Format: int64
             * @description When it was enrolled, in seconds since 1970.
             */
            added: number;
            /** @description On what ground it is kept. */
            consent?: string | null;
            /** @description Whether a picture of it is kept. */
            crop: boolean;
            /**
             * @description The id.
             * @example f1
             */
            id: string;
            /**
             * @description The person whose face it is.
             * @example p1
             */
            person: string;
            /** @description SHA-256 of the photo's file. */
            photo?: string | null;
            /**
             * Format: float
             * @description How much it is worth to recognition, 0 to 1.
             */
            quality: number;
            /** @description Where the photo is from. */
            source?: string | null;
            /**
             * Format: int64
             * @description When the photo was taken, in seconds since 1970.
             */
            taken?: number | null;
        };
        /** @description Which operation to take back. */
        Undo: {
            /**
             * @description The operation; the latest if none is named.
             * @example o1
             */
            operation?: string | null;
        };
        /** @description What was taken back. */
        Undone: {
            /** @description People who are as they were. */
            people: string[];
            /** @description The operation. */
            undone: components["schemas"]["Operation"];
        };
        /** @description Whether two photos, or a photo and a person, are the same. */
        Verified: {
            /** @description Whether somebody said that a face like this is not the person. */
            denied?: boolean | null;
            /**
             * Format: double
             * @description False match rate of that similarity; null if it is not known.
             */
            fmr?: number | null;
            /**
             * @description The person's id, if the photo was compared with a person.
             * @example p1
             */
            id?: string | null;
            /** @description The person's name, if the photo was compared with a person. */
            person?: string | null;
            /** @description Whether that rate is at most the one that was asked for. */
            same?: boolean | null;
            /**
             * Format: float
             * @description Cosine, −1 to 1.
             */
            similarity: number;
        };
        /** @description A watch list. */
        WatchList: {
            /** @description Its name. */
            name: string;
            /** @description How many people are on it. */
            people: number;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
